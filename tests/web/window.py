"""A person's window in Firefox: what they see, and what their hands do."""

import time
from copy import copy
from typing import Any

from firefox import Firefox, RefusedError

WAIT_S = 20
SIZE = (1500, 900)
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Control": "\ue009", "ArrowDown": "\ue015"}
DOWN, UP = ({"type": f"pointer{how}", "button": 0} for how in ("Down", "Up"))

WAITS = """async (given) => {
  const [ms, args] = JSON.parse(given);
  const found = (css, text) => [...document.querySelectorAll(css)].filter((one) =>
    one.checkVisibility({ visibilityProperty: true })
    && `${one.ariaLabel ?? ''} ${one.textContent}`.includes(text));
  const painted = () => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(done)));
  const check = CHECK;
  const ends = performance.now() + ms;
  for (;;) {
    const answer = await check(...args);
    if (answer || performance.now() > ends) {
      return JSON.stringify(answer ?? null);
    }
    await painted();
  }
}"""
"""Give what a check gives as soon as it holds; after a time what it gave last. `found` are the
visible elements that CSS selects and a text is in."""

AIM = """async (css, text, at) => {
  const [one] = found(css, text);
  one?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  const box = () => JSON.stringify(found(css, text)[0]?.getBoundingClientRect() ?? {});
  const before = box();
  await painted();
  const { left, top, width, height } = JSON.parse(before);
  const [x, y] = [left + width * at[0], top + height * at[1]].map(Math.floor);
  const hit = one && before === box() && document.elementFromPoint(x, y);
  return hit && (one.contains(hit) || hit.control === one) && [x, y];
}"""
"""Where an element can be pressed: it has stopped moving, and nothing lies over it."""

DROP = """(css, to) => {
  for (const [where, type] of [[to, 'drop'], [css, 'dragend']]) {
    found(where, '')[0]?.dispatchEvent(
      new DragEvent(type, { bubbles: true, cancelable: true }));
  }
  return true;
}"""

FOCUS = """async () => {
  const window = Services.focus.activeWindow ?? Services.wm.getMostRecentBrowserWindow();
  window.gBrowser.selectedBrowser.focus();
  return 'null';
}"""

COMPOSE = """async (given) => {
  const steps = JSON.parse(given);
  const window = Services.focus.activeWindow;
  const method = Cc['@mozilla.org/text-input-processor;1'].createInstance(
    Ci.nsITextInputProcessor);
  method.beginInputTransactionForTests(window);
  for (const text of steps) {
    method.setPendingCompositionString(text);
    method.appendClauseToPendingComposition(text.length, method.ATTR_RAW_CLAUSE);
    method.setCaretInPendingComposition(text.length);
    method.flushPendingComposition();
    await new Promise((done) => window.setTimeout(done, 250));
  }
  method.commitComposition();
}"""
"""An input method: each text takes the place of the one before, and the last stays. The pauses are
longer than those after which the page takes what was typed."""


class Window:
    """A person's window, with cookies and storage of their own."""

    def __init__(self, firefox: Firefox, url: str, *, locale: str = "en-GB") -> None:
        self.firefox = firefox
        self.user: str = firefox.ask("browser.createUserContext")["userContext"]
        firefox.ask("emulation.setLocaleOverride", locale=locale, userContexts=[self.user])
        opened = firefox.ask("browsingContext.create", type="window", userContext=self.user)
        self.context: str = opened["context"]
        self.resize(*SIZE)
        self.goes(url)

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self.firefox.ask("browsingContext.setViewport", context=self.context, viewport=size)

    def goes(self, url: str) -> None:
        how = {"context": self.context, "wait": "interactive"}
        self.firefox.ask("browsingContext.navigate", url=url, **how)

    def reload(self) -> None:
        self.firefox.ask("browsingContext.reload", context=self.context, wait="interactive")

    def back(self) -> None:
        self.firefox.ask("browsingContext.traverseHistory", context=self.context, delta=-1)

    # --- to look

    def get(self, expression: str) -> Any:
        """Give the value of an expression in the page."""
        function = f"async () => JSON.stringify((await ({expression})) ?? null)"
        return self.firefox.run(function, None, self.context)

    def until(self, check: str, *args: Any) -> Any:
        """Wait until a check in the page gives something, and give that."""
        ends = time.monotonic() + WAIT_S
        function = WAITS.replace("CHECK", check)
        while (left := ends - time.monotonic()) > 0:
            try:
                found = self.firefox.run(function, [left * 1000, args], self.context)
            except RefusedError:
                # The page was loaded anew meanwhile: what is asked of the new one may hold yet.
                continue
            if found:
                return found
        shown = self.get("document.body.innerText")
        raise AssertionError(f"it did not come: {args or check}; there is:\n{shown}")

    def sees(self, css: str, text: str = "") -> str:
        """Wait until an element is there, is visible and has a text in it; give all of its text."""
        texts = "found(...what).map((one) => one.textContent || ' ')"
        return str(self.until(f"(...what) => {texts}[0]", css, text))

    def misses(self, css: str, text: str = "") -> None:
        """Wait until there is no such element, or it is hidden."""
        self.until("(...what) => found(...what).length === 0", css, text)

    # --- to act, as a hand does

    def _takes(self) -> None:
        """Bring the window to the front, and the focus from its address bar into the page:
        elsewhere nothing matches `:focus`."""
        self.firefox.ask("browsingContext.activate", context=self.context)
        self.firefox.run(FOCUS, None, self.firefox.system)

    def _does(self, *sources: dict[str, Any]) -> None:
        self._takes()
        self.firefox.ask("input.performActions", context=self.context, actions=sources)

    def _moves(self, *steps: dict[str, Any]) -> None:
        mouse = {"pointerType": "mouse"}
        self._does({"type": "pointer", "id": "mouse", "parameters": mouse, "actions": steps})

    def aims(
        self, css: str, text: str = "", at: tuple[float, float] = (0.5, 0.5)
    ) -> dict[str, Any]:
        """Wait until something can be pressed; give the move there."""
        self._takes()
        x, y = self.until(AIM, css, text, at)
        return {"type": "pointerMove", "x": x, "y": y}

    def presses(self, css: str, text: str = "") -> None:
        self._moves(self.aims(css, text), DOWN, UP)

    def opens(self, css: str, *, button: int = 0, key: str = "") -> "Window":
        """Press, by a button of the mouse and under a key, so that a tab opens; give that tab."""
        before = self._tabs()
        down, up = ({**one, "button": button} for one in (DOWN, UP))
        pause = {"type": "pause"}
        held = [{"type": how, "value": KEYS[key]} for how in ("keyDown", "keyUp") if key]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._does(
            {"type": "key", "id": "keys", "actions": [*held[:1], pause, pause, *held[1:]]},
            {**mouse, "actions": [self.aims(css), down, up]},
        )
        ends = time.monotonic() + WAIT_S
        while not (opened := self._tabs() - before):
            assert time.monotonic() < ends, "no tab has opened"
        tab = copy(self)
        tab.context = opened.pop()
        return tab

    def _tabs(self) -> set[str]:
        return {one["context"] for one in self.firefox.ask("browsingContext.getTree")["contexts"]}

    def leaves(self) -> None:
        """Close this tab alone."""
        self.firefox.ask("browsingContext.close", context=self.context)

    def drags(self, css: str, to: str) -> None:
        """Drag an element onto another, with a hand's pauses; the page must mark where it may drop.

        Firefox begins the drag and moves it, but no driver can let go: a headless one has nothing
        that would carry the drop (w3c/webdriver-bidi, issue 487). So the last event is made here.
        """
        there = self.aims(to, at=(0.5, 0.3))
        here = self.aims(css, at=(0.5, 0.2))
        begun = {**here, "x": here["x"] + 12, "y": here["y"] + 4, "duration": 60}
        self._moves(here, DOWN, begun, {**there, "duration": 120}, {**there, "x": there["x"] + 3})
        self.sees(".over")
        self.until(DROP, css, to)
        self._moves(UP)

    def composes(self, *steps: str) -> None:
        """Type by an input method: each step stands in the place of the one before, and the last
        is chosen."""
        self._takes()
        self.firefox.run(COMPOSE, steps, self.firefox.system)

    def focuses(self, css: str) -> None:
        """Give an element the focus, as Tab would in the end."""
        self._takes()
        self.until("(css) => found(`${css}:focus`, '')[0] ? 1 : found(css, '')[0]?.focus()", css)

    def types(self, text: str) -> None:
        """Type at the focus; a chord is `Control+Enter`, a key `Enter`."""
        names = text.split("+") if text.partition("+")[0] in KEYS else list(text)
        values = [KEYS.get(name, name) for name in names]
        down = [{"type": "keyDown", "value": value} for value in values]
        up = [{"type": "keyUp", "value": value} for value in values]
        chord = values != list(text)
        each = [one for pair in zip(down, up, strict=True) for one in pair]
        self._does({"type": "key", "id": "keys", "actions": [*down, *up[::-1]] if chord else each})

    def fills(self, css: str, text: str) -> None:
        """Press a field, and type in the place of what is there."""
        self.presses(css)
        self.types("Control+a")
        self.types(text)

    # --- to be content

    def complaints(self) -> list[str]:
        """Give what the console was told of as a fault, and forget it."""
        mine = [
            one["params"]
            for one in self.firefox.events
            if one["method"] == "log.entryAdded"
            and one["params"]["source"].get("context") == self.context
        ]
        self.firefox.events[:] = [
            one for one in self.firefox.events if one.get("params") not in mine
        ]
        return [str(one["text"]) for one in mine if one["level"] in ("error", "warn")]

    def close(self) -> None:
        self.firefox.ask("browser.removeUserContext", userContext=self.user)
