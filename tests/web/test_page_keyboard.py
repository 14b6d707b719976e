"""Everything by keys alone: the focus never falls to nowhere, each list is one stop of Tab, single
keys can be switched off, and Esc leaves nothing but what is open."""

from collections.abc import Callable, Iterator

import pytest
from desk import Desk
from office import EDITING, FREE, Office, furnish
from pictures import VIEWS
from playwright.sync_api import Browser, expect
from screens import signed_in

ACTIVE = "document.activeElement.tagName"
CARD = "document.activeElement.closest('[data-id]')?.dataset.id ?? ''"
WAY = """(task) => {
  const box = (one) => one.closest('[data-id]').getBoundingClientRect();
  const from = box(document.activeElement);
  const to = box(document.querySelector(`#main [data-id="${task}"]`));
  return to.x > from.x ? 'Right' : to.x < from.x ? 'Left'
    : to.y > from.y ? 'Down' : to.y < from.y ? 'Up' : '';
}"""
NAMED = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
STOPS_MAX = 60
"""Of a view with hundreds of tasks: the bar, the filters, and one or two for each column."""
STOP = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  if (one === document.body || one.id === 'skip') { return null; }
  const across = Math.min(Math.max(box.x + box.width / 2, 0), innerWidth - 1);
  const down = Math.min(Math.max(box.y + Math.min(box.height / 2, 40), 0), innerHeight - 1);
  const top = document.elementFromPoint(across, down);
  // Around it, or, for the mark of a column's order, around what it lies in.
  const ring = [one, one.parentElement].find(ringed => {
    const { outlineStyle, outlineWidth } = getComputedStyle(ringed);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
  });
  const out = ring ? parseFloat(getComputedStyle(ring).outlineOffset) + 1 : 0;
  const edge = ring?.getBoundingClientRect();
  let isCut = false;
  for (let at = ring?.parentElement; at && at.id !== 'main'; at = at.parentElement) {
    const clip = at.getBoundingClientRect();
    isCut ||= getComputedStyle(at).overflowX !== 'visible'
      && (edge.left - out < clip.left || edge.right + out > clip.right);
  }
  return { what: one.outerHTML.slice(0, 160), isRinged: Boolean(ring) && !isCut,
    isSeen: one.contains(top) || top?.contains(one) };
}"""
"""What has the focus, whether that is seen, and whether something lies over it; null once Tab has
been all around."""


class Hands:
    """Hands that touch nothing but keys, at a desk whose focus must always be somewhere."""

    def __init__(self, desk: Desk) -> None:
        self._page = desk.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
            self.is_somewhere()

    def is_somewhere(self) -> None:
        # A view that is opened takes the focus as it is painted, a frame later.
        self._page.wait_for_function(f"() => ({ACTIVE}) !== 'BODY'", timeout=2000)

    def tab_to(self, name: str) -> None:
        """Go on by Tab to what is called so."""
        for _ in range(STOPS_MAX):
            self.press("Tab")
            if str(self._page.evaluate(NAMED)).startswith(name):
                return
        raise AssertionError(f"Tab does not come to {name}")

    def move_to(self, task: str) -> None:
        """Go on by arrows to the card of a task."""
        for _ in range(30):
            if not (way := str(self._page.evaluate(WAY, task))):
                return
            self.press(f"Arrow{way}")
        raise AssertionError(f"arrows do not come to {task}")

    def is_at(self, task: str) -> None:
        """Wait until the focus is at a task: what an act changes comes a moment later."""
        self._page.wait_for_function(f"() => ({CARD}) === '{task}'")


def stops(desk: Desk) -> list[str]:
    """Go all around a view by Tab, and give what was seen of each stop."""
    found: list[str] = []
    desk.page.locator("#skip").focus()
    for _ in range(400):
        desk.page.keyboard.press("Tab")
        stop = desk.page.evaluate(STOP)
        if stop is None:
            return found
        assert stop["isSeen"], f"something lies over {stop['what']}"
        assert stop["isRinged"], f"it is not seen that {stop['what']} has the focus"
        found.append(stop["what"])
    raise AssertionError("Tab never comes to an end")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Open an office with 400 open tasks more, sixty people, twenty groups, and dead ones."""
    with Office(tmp_path_factory.mktemp("crowded")) as office:
        furnish(office)
        office.many(400)
        for n in range(60):
            office.ask("SetPerson", user=f"7{n:03}", name=f"P {n}", groups=[f"g{n % 20}"])
        for n in range(40):
            office.task(f"dead-{n}", f"Dead {n}", "failed", group_id="cut")
        yield office


@pytest.mark.parametrize("view", VIEWS.values())
def test_each_list_is_one_stop(crowded: Office, browser: Browser, view: str) -> None:
    """Tab is all around in a few stops, and none is hidden by what lies over it."""
    desk = Desk(browser, crowded.url, "1005", "Root", view)
    expect(desk.page.locator("#main :is(a, button, svg)").first).to_be_visible()
    desk.page.wait_for_load_state("networkidle")
    assert len(stops(desk)) <= STOPS_MAX
    desk.close()


def test_a_day_by_keys_alone(office: Office, seat: Callable[..., Desk]) -> None:
    """Claim, begin, submit, approve, assign, label, acknowledge; the focus is always somewhere."""
    ann, lead = seat("1001", "Ann Li"), seat("1004", "赵组长")
    hands = Hands(ann)
    expect(ann.card("Poster", "free")).to_be_visible()
    hands.tab_to("Mix, reel 2")
    hands.move_to("cut-5")
    # By the card's own button, to which Tab goes on; then by keys.
    hands.press("Tab", "Enter")
    expect(ann.card("Poster", "claimed")).to_be_visible()
    hands.is_at("cut-5")
    hands.press("b")
    expect(ann.card("Poster", "editing")).to_be_visible()
    hands.is_at("cut-5")
    hands.press("s")
    expect(ann.page.get_by_role("dialog")).to_be_visible()
    hands.press("Escape")
    expect(ann.page.get_by_role("dialog")).to_have_count(0)
    hands.is_at("cut-5")
    hands.press("s")
    expect(ann.page.get_by_role("dialog")).to_be_visible()
    hands.press("Control+Enter")
    expect(ann.card("Poster", "review")).to_be_visible()
    hands.is_at("cut-5")

    hands = Hands(lead)
    expect(lead.card("Poster", "review")).to_be_visible()
    hands.tab_to("Matte, shot 9")
    hands.move_to("cut-5")
    hands.press("a")
    expect(lead.card("Poster", "done")).to_be_visible()
    hands.is_at("cut-5")
    hands.move_to("old-1")
    hands.press("k")
    expect(lead.page.get_by_role("dialog")).to_be_visible()
    hands.press("Control+Enter")
    expect(lead.card("Upload to archive")).to_contain_text("赵组长")
    hands.is_at("old-1")
    # What goes away leaves the focus to what stood beside it.
    hands.press("d")
    expect(lead.card("Upload to archive")).to_have_count(0)
    hands.is_somewhere()


def test_a_task_by_keys_alone(office: Office, seat: Callable[..., Desk]) -> None:
    """Assign, label, undo; and back from the task, its card has the focus."""
    lead = seat("1004", "赵组长")
    hands = Hands(lead)
    expect(lead.card("Poster", "free")).to_be_visible()
    hands.tab_to("Matte, shot 9")
    hands.move_to("cut-5")
    hands.press("Enter")
    expect(lead.page.get_by_role("heading", name="Poster")).to_be_visible()
    hands.is_somewhere()
    hands.press("g")
    expect(lead.page.get_by_role("dialog")).to_be_visible()
    hands.press("A", "Control+Enter")
    lead.told("Ann Li has it now: Poster")
    hands.is_somewhere()
    hands.tab_to("New label")
    lead.page.keyboard.type("urgent")
    hands.press("Enter")
    expect(lead.page.get_by_role("button", name="Remove the label urgent")).to_be_visible()
    hands.press("Shift+Tab", "Enter")
    expect(lead.page.locator(".labels .label")).to_have_count(0)
    hands.is_somewhere()
    lead.page.go_back()
    hands.is_at("cut-5")


def test_the_last_card_of_a_column_leaves_the_focus_nearby(
    office: Office, seat: Callable[..., Desk]
) -> None:
    """The next card has it: in a field, or on the whole page, arrows would mean another thing."""
    ann = seat("1001", "Ann Li")
    card = ann.page.locator(".column.review .card a.name")
    expect(card).to_have_count(1)
    card.focus()
    office.ask("Update", id="cut-3", status="cancelled", own=False)
    expect(card).to_have_count(0)
    ann.page.wait_for_function("() => document.activeElement.matches('.board a, .board button')")


def test_escape_closes_what_is_open_and_nothing_else(
    office: Office, seat: Callable[..., Desk]
) -> None:
    """A step back in the history would leave TaskDash, where the view is the first one."""
    ann = seat("1001", "Ann Li", view="task/cut-5")
    page = ann.page
    expect(page.get_by_role("heading", name="Poster")).to_be_visible()
    page.get_by_role("button", name="Claim: Poster").focus()
    page.keyboard.press("Enter")
    ann.told("Yours: Poster")
    url = page.url
    page.keyboard.press("Escape")
    expect(page.locator(".toast")).to_have_count(0)
    for _ in range(3):
        page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert page.url == url
    expect(page.get_by_role("heading", name="Poster")).to_be_visible()
    # From the search, it leads to where one was.
    ann.go("board")
    ann.card("Mix, reel 2").locator("a.name").focus()
    page.keyboard.press("/")
    expect(ann.search).to_be_focused()
    page.keyboard.press("Escape")
    assert page.evaluate(CARD) == "cut-6"


def test_single_keys_can_be_switched_off(office: Office, seat: Callable[..., Desk]) -> None:
    """Whoever dictates would claim, go and copy by each word: the browser remembers that."""
    ann = seat("1001", "Ann Li")
    page = ann.page
    expect(ann.card("Poster", "free")).to_be_visible()
    page.keyboard.press("?")
    box = page.get_by_role("checkbox", name="Single keys")
    expect(box).to_be_checked()
    box.press("Space")
    page.keyboard.press("Escape")
    for _ in range(2):
        button = ann.card("Poster").get_by_role("button", name="Claim: Poster")
        expect(button).not_to_have_attribute("title", "c")
        ann.card("Poster").locator("a.name").focus()
        for key in "c", "2", "y", "/", "?", "z":
            page.keyboard.press(key)
        page.keyboard.press("ArrowUp")
        page.wait_for_timeout(200)
        assert page.evaluate(CARD) not in ("", "cut-5")
        expect(page.locator("dialog, .toast")).to_have_count(0)
        expect(page.locator("body[data-view=board]")).to_be_attached()
        assert office.ask("Find", id="cut-5")["status"] == FREE
        page.reload()
        expect(ann.card("Poster", "free")).to_be_visible()
    page.get_by_role("button", name="Keyboard shortcuts").press("Enter")
    page.get_by_role("checkbox", name="Single keys").press("Space")
    page.keyboard.press("Escape")
    ann.card("Poster").locator("a.name").focus()
    page.keyboard.press("c")
    expect(ann.card("Poster", "claimed")).to_be_visible()


def test_each_button_says_what_it_is_about(furnished: Office, browser: Browser) -> None:
    """A list of buttons, as a screen reader gives it, has none twice."""
    furnished.ask("SetPerson", user="1001", name="Ann Li", groups=["cut"])
    for view in VIEWS.values():
        with signed_in(browser, furnished.url, "1005", "Root", view=view) as page:
            expect(page.locator("#main > *").first).to_be_attached()
            page.wait_for_load_state("networkidle")
            names: list[str] = page.evaluate(
                "[...document.querySelectorAll('#main button')].filter((one) =>"
                " one.checkVisibility()).map((one) => one.ariaLabel ?? one.textContent)"
            )
            twice = {name for name in names if names.count(name) > 1}
            assert not twice, view


def test_a_message_that_comes_leaves_the_focus_on_one(
    office: Office, seat: Callable[..., Desk]
) -> None:
    """Each new message raises the others: what has the focus among them keeps it."""
    ann = seat("1001", "Ann Li")
    ann.does("Claim", "Poster")
    undo = ann.page.get_by_role("button", name="Undo (z): Yours: Poster")
    undo.focus()
    office.ask("Assign", id="cut-6", to="1001", user="1004")
    ann.told("You were given “Mix, reel 2”")
    expect(undo).to_be_focused()
    ann.page.keyboard.press("Enter")
    expect(ann.card("Poster", "free")).to_be_visible()
    assert ann.page.evaluate(ACTIVE) != "BODY"
    assert office.ask("Find", id="cut-1")["status"] == EDITING
