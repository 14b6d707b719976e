"""Labels: shown on the task page, added and taken away by who may, a filter of board and list."""

from collections.abc import Callable

from desk import Desk
from office import Office
from playwright.sync_api import Locator, expect
from screens import axe_says

Seat = Callable[..., Desk]


def labels(desk: Desk) -> Locator:
    return desk.page.get_by_role("group", name="Labels")


def adds(desk: Desk, label: str) -> None:
    """Type a label on the page of a task, and press Enter."""
    field = labels(desk).get_by_role("textbox", name="New label")
    field.fill(label)
    field.press("Enter")
    expect(field).to_have_value("")


def test_labels_are_added_and_taken_away_on_the_task_page(office: Office, seat: Seat) -> None:
    """By who may claim the task or has it; others see them at once, and can only follow them."""
    ann, other = (
        seat("1001", "Ann Li", view="task/cut-1"),
        seat("1002", "王小明", view="task/cut-1"),
    )
    expect(other.page.locator(".taskhead h1")).to_have_text("开场剪辑")
    expect(labels(other)).to_have_count(0)
    adds(ann, "Urgent")
    adds(ann, "客户A")
    adds(ann, "ＵＲＧＥＮＴ ")
    for desk in (ann, other):
        expect(labels(desk).get_by_role("link")).to_have_text(["Urgent", "客户A"])
        # The history tells of it, and no other field does.
        expect(desk.page.locator(".history ins").first).to_have_text("Urgent, 客户A")
        expect(desk.page.locator("dl.fields")).not_to_contain_text("Urgent")
    expect(labels(other).get_by_role("button")).to_have_count(0)
    labels(ann).get_by_role("button", name="Remove the label Urgent").click()
    for desk in (ann, other):
        expect(labels(desk).get_by_role("link")).to_have_text(["客户A"])
    ann.page.reload()
    expect(labels(ann).get_by_role("link")).to_have_text(["客户A"])


def test_what_is_refused_is_said_and_stays_typed(office: Office, seat: Seat) -> None:
    ann = seat("1001", "Ann Li", view="task/cut-1")
    office.ask("SetLabels", id="cut-1", add=[f"label {n}" for n in range(16)])
    expect(labels(ann).get_by_role("link")).to_have_count(16)
    field = labels(ann).get_by_role("textbox", name="New label")
    field.fill("one more")
    labels(ann).get_by_role("button", name="Add", exact=True).click()
    ann.told("A task has at most 16 labels.")
    expect(field).to_have_value("one more")


def test_what_is_no_label_is_refused_in_the_readers_words(office: Office, seat: Seat) -> None:
    """Also where the view of people was open, which has words of its own for adding."""
    ann = seat("1001", "Ann Li", view="people")
    expect(ann.page.get_by_role("heading", name="People")).to_be_visible()
    ann.go("task/cut-1")
    field = labels(ann).get_by_role("textbox", name="New label")
    for label, said in (
        ("\u200b", "“Label” must not be empty."),
        ("ﷺ" * 3, "“Label” is too long: 32 characters at most."),
    ):
        field.fill(label)
        field.press("Enter")
        ann.told(said)
    assert "labels" not in office.ask("Find", id="cut-1")


def test_the_history_has_labels_as_they_are_written(office: Office, seat: Seat) -> None:
    """Whatever stands in them, and where there are more than the audit has room for."""
    ann = seat("1001", "Ann Li", view="task/cut-1")
    expect(labels(ann).get_by_role("textbox", name="New label")).to_be_visible()
    odd = 'say "hi", a\\b'
    office.ask("SetLabels", id="cut-1", add=[odd, "two"])
    history = ann.page.locator(".history")
    expect(history.locator("ins").first).to_have_text(f"{odd}, two")
    long = [f"{n} {'x' * 30}" for n in range(9)]
    office.ask("SetLabels", id="cut-1", remove=["two"], add=long)
    expect(history.locator("ins").first).to_contain_text(f"{odd}, {long[0]}, {long[1]}, ")
    office.ask("SetLabels", id="cut-1", remove=[odd, *long])
    expect(history.locator("ins").first).to_have_text("–")


def test_a_label_is_a_filter_of_board_and_list(office: Office, seat: Seat) -> None:
    """By the field or by following a label; what gets the label comes, and what loses it goes."""
    office.ask("SetLabels", id="cut-1", add=["Urgent"])
    office.ask("SetLabels", id="cut-5", add=["urgent", "客户A"])
    desk = seat("1004", "")
    field = desk.page.get_by_role("textbox", name="Label")
    expect(desk.card("Poster").locator(".label")).to_have_text(["urgent", "客户A"])
    field.fill("URGENT")
    field.press("Enter")
    cards = desk.page.locator(".card")
    expect(cards).to_have_count(2)
    expect(desk.page.locator(".column.free .count")).to_have_text("1")
    office.ask("SetLabels", id="cut-6", add=["ＵＲＧＥＮＴ"])
    expect(cards).to_have_count(3)
    office.ask("SetLabels", id="cut-5", remove=["urgent"])
    expect(cards).to_have_count(2)
    assert "label=URGENT" in desk.page.url
    desk.page.get_by_role("link", name="List", exact=True).click()
    rows = desk.page.locator(".listrow")
    expect(rows).to_have_count(2)
    expect(desk.page.get_by_role("textbox", name="Label")).to_have_value("URGENT")
    desk.page.get_by_role("button", name="Clear").click()
    expect(rows).not_to_have_count(2)
    desk.go("task/cut-5")
    labels(desk).get_by_role("link", name="客户A").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Poster")


def test_labels_keep_nobody_out(office: Office, seat: Seat) -> None:
    """Labels are text whatever they hold, fit a phone, and axe-core finds nothing."""
    evil = '<img src=x onerror="alert(1)">'
    office.ask("SetLabels", id="cut-5", add=[evil, "W" * 32, "客" * 32])
    desk = seat("1004", "")
    for theme in ("light", "dark"):
        desk.page.evaluate("theme => { localStorage.theme = theme }", theme)
        desk.page.reload()
        for view in ("board", "task/cut-5"):
            desk.go(view)
            shown = desk.page.locator("#main .label").filter(has_text=evil)
            expect(shown).to_have_count(1)
            assert desk.page.locator("#main img").count() == 0
            assert axe_says(desk.page) == [], view
    desk.page.set_viewport_size({"width": 360, "height": 740})
    assert desk.page.evaluate("document.querySelector('#main').scrollWidth") <= 360
