"""Who reads with other colours, on paper, in a narrow window or with a shaky hand: what axe does
not see of WCAG 2.2 AA, on each view."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from desk import Desk
from office import Office, furnish
from pictures import VIEWS
from playwright.sync_api import Browser, Page, expect
from screens import axe_says

TARGETS = """() => {
  const shown = [...document.querySelectorAll(
    'a[href], button, select, input, textarea, summary, label.check')]
    .filter(one => one.checkVisibility() && !one.closest('#toasts') && one.id !== 'skip')
    .map(one => one.matches('label *') ? one.closest('label') : one);
  const boxes = shown.map(one => [one, one.getBoundingClientRect()]);
  const small = ([, box]) => box.width < 23.9 || box.height < 23.9;
  const middle = ([, box]) => [box.x + box.width / 2, box.y + box.height / 2];
  const far = (here, [x, y]) => {
    const [, box] = here;
    const across = Math.max(box.x - x, 0, x - box.right);
    const down = Math.max(box.y - y, 0, y - box.bottom);
    return Math.hypot(across, down);
  };
  return boxes.filter(small).filter(one => boxes.some(other => one[0] !== other[0]
      && !one[0].contains(other[0]) && !other[0].contains(one[0])
      && (far(other, middle(one)) < 12
        || small(other) && Math.hypot(middle(one)[0] - middle(other)[0],
          middle(one)[1] - middle(other)[1]) < 24)))
    .map(([one]) => one.outerHTML.slice(0, 160));
}"""
"""Targets below 24 pixels with another within the circle that they would need (2.5.8)."""
WIDE = """() => [document.documentElement, document.querySelector('#main')]
  .filter(one => one.scrollWidth > innerWidth).map(one => one.scrollWidth)"""
SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
  word-spacing: 0.16em !important } p { margin-bottom: 2em !important }"""
CUT = """() => [...document.querySelectorAll(
    'button, nav a, #tabs a, h1, h2, h3, label, summary, .count, .said p, .legend span, dt, th')]
  .filter(one => one.checkVisibility() && !one.closest('.hidden, .skip, .card a')
    && getComputedStyle(one).overflow !== 'visible'
    && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1))
  .map(one => one.outerHTML.slice(0, 160))"""
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const read = (...colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const one of colours) { canvas.fillStyle = one; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const bright = (rgb) => {
    const [r, g, b] = rgb.map(one => one / 255)
      .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    const all = [];
    for (let at = one; at; at = at.parentElement) {
      all.unshift(getComputedStyle(at).backgroundColor);
    }
    return bright(read(...all));
  };
  const ratio = (one, other) =>
    (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const looks = [
    ['.dot, .progress > span, .load > span, .loads .editing', 'backgroundColor'],
    ['.chart rect, .strip rect:not(.unknown)', 'fill'],
    ['input:not([type=checkbox]), select:not(.order select), textarea', 'borderTopColor'],
  ];
  return looks.flatMap(([which, how]) => [...document.querySelectorAll(which)]
    .filter(one => one.checkVisibility())
    .map(one => [one, ratio(bright(read(getComputedStyle(one)[how])), behind(one.parentElement))])
    .filter(([, much]) => much < 3)
    .map(([one, much]) => `${much.toFixed(2)} ${one.outerHTML.slice(0, 120)}`));
}"""
"""Bars, dots and edges of fields that differ too little from what is behind them (1.4.11)."""
MEANT = (
    ".dot, .progress > span, .load > span, .loads .editing, .chip[aria-pressed=true],"
    " nav [aria-current]"
)
PRINTED = "document.querySelectorAll('#main [data-id]').length"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Open an office with so many tasks that no view reads them all at first."""
    with Office(tmp_path_factory.mktemp("reach")) as office:
        furnish(office)
        office.many(600)
        yield office


def opened(desk: Desk, view: str) -> Page:
    desk.go(view)
    expect(desk.page.locator("#main > *").first).to_be_attached()
    desk.page.wait_for_load_state("networkidle")
    expect(desk.page.locator("#main")).not_to_contain_text(re.compile("Reading …|读取中"))
    return desk.page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everybody_can_read_and_press(furnished: Office, browser: Browser, language: str) -> None:
    """Targets, narrow windows and spaced text (2.5.8, 1.4.10, 1.4.12), on each view."""
    desk = Desk(browser, furnished.url, "1005", "Root", locale=f"{language}-GB")
    found: list[tuple[str, Any]] = []
    for view in VIEWS.values():
        for width in (1280, 640, 320):
            desk.page.set_viewport_size({"width": width, "height": 700})
            page = opened(desk, view)
            found += [(f"{view} {width}", small) for small in page.evaluate(TARGETS)]
            found += [(f"{view} {width} is wide", wide) for wide in page.evaluate(WIDE)]
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 700})
            # A sheet of the page's own: its policy refuses what a test would write into it.
            page.evaluate(
                """text => { const sheet = new CSSStyleSheet(); sheet.replaceSync(text);
                document.adoptedStyleSheets = [sheet]; }""",
                SPACED,
            )
            found += [(f"{view} {width} spaced", cut) for cut in page.evaluate(CUT)]
            found += [(f"{view} {width} spaced is wide", wide) for wide in page.evaluate(WIDE)]
            page.evaluate("document.adoptedStyleSheets = []")
    desk.close()
    assert found == [], "\n".join(map(str, found))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bars_dots_and_fields_are_seen(furnished: Office, browser: Browser, theme: Any) -> None:
    desk = Desk(browser, furnished.url, "1005", "Root", color_scheme=theme)
    found = [
        (view, faint) for view in VIEWS.values() for faint in opened(desk, view).evaluate(FAINT)
    ]
    desk.close()
    assert found == [], "\n".join(map(str, found))


@pytest.mark.parametrize(("theme", "language"), list(product(("light", "dark"), ("en", "zh"))))
def test_no_meaning_is_in_a_background_alone(
    furnished: Office, browser: Browser, theme: Any, language: str
) -> None:
    """Where the reader has chosen all colours: edges, texts, and no complaint of axe."""
    how = {"forced_colors": "active", "color_scheme": theme, "locale": f"{language}-GB"}
    desk = Desk(browser, furnished.url, "1005", "Root", **how)
    found: list[tuple[str, Any]] = []
    for view in (*VIEWS.values(), "board?user=nobody"):
        page = opened(desk, view)
        lost = page.evaluate(
            """meant => { const style = getComputedStyle;
            const canvas = style(document.body).backgroundColor;
            return [...document.querySelectorAll(meant)].filter(one => one.checkVisibility()
              && style(one).backgroundColor === canvas
              && parseFloat(style(one).borderTopWidth) === 0)
              .map(one => one.outerHTML.slice(0, 160)); }""",
            MEANT,
        )
        found += [(view, html) for html in lost]
        found += [(view, one) for one in axe_says(page)]
    desk.close()
    assert found == [], "\n".join(map(str, found))


def test_all_rows_are_printed(crowded: Office, browser: Browser) -> None:
    """Board and list, whole, by the keys that print; no bars or buttons, and black on white."""
    desk = Desk(browser, crowded.url, "1005", "Root", color_scheme="dark")
    for view in ("board", "list"):
        page = opened(desk, view)
        expect(page.locator("#main [data-id]").first).to_be_visible()
        page.evaluate("window.print = () => { window.asked = true }; window.asked = false")
        seen = page.evaluate(PRINTED)
        page.keyboard.press("Control+p")
        page.wait_for_function("() => window.asked")
        # Behind the page's own.
        page.evaluate(
            "addEventListener('beforeprint', () => { window.printed = "
            f"[{PRINTED}, document.getElementById('printed').innerText] }}, {{ once: true }})"
        )
        paper = page.pdf(format="A4")
        count, head = page.evaluate("window.printed")
        assert seen < 600 <= count, view
        assert "Not all is here" not in head
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 8, view
        page.wait_for_function(f"() => {PRINTED} < 600")
    desk.close()


def test_paper_says_what_it_shows(crowded: Office, browser: Browser) -> None:
    desk = Desk(browser, crowded.url, "1005", "Root", color_scheme="dark")
    page = opened(desk, "board?group=cut&q=mix&user=nobody")
    expect(desk.card("Mix, reel 2")).to_be_visible()
    page.emulate_media(media="print")
    head = page.locator("#printed")
    expect(head).to_be_visible()
    for text in ("Board", "Root", "Group: cut", "Search: mix", "Unassigned", "20"):
        expect(head).to_contain_text(text)
    for gone in ("#bar", "#tabs", ".filters", ".acts", "#toasts", ".column.free .order"):
        expect(page.locator(gone).first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    link = desk.card("Mix, reel 2").locator("a.name")
    assert link.evaluate("one => getComputedStyle(one).textDecorationLine") == "none"
    page.emulate_media(media="screen")
    expect(head).to_be_hidden()
    # Where the keys did not read the rest, the paper says so.
    desk.go("board")
    expect(desk.card("Task 599")).to_be_visible()
    page.emulate_media(media="print")
    expect(head).to_contain_text("Not all is here")
    desk.close()
