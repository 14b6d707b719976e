"""Ids to copy, links, Undo, drops that speak, exact counts, Back, and the words on a card."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from office import EDITING, Office
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect
from screens import signed_in

FOCUSED = "document.activeElement.closest('[data-id]')?.dataset.id ?? document.activeElement.id"
ANN = ("1001", "Ann Li")
LEAD = ("1004", "赵组长")


def card(page: Page, name: str, column: str = "") -> Locator:
    inside = f".column.{column} .card" if column else ".card"
    return page.locator(inside).filter(has_text=name)


def does(page: Page, act: str, name: str) -> None:
    card(page, name).get_by_role("button", name=act).click()


def undoes(page: Page) -> None:
    """Press the key that undoes, once it does: the change is seen before its answer is."""
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.keyboard.press("z")


def told(page: Page, text: str) -> None:
    expect(page.locator("#toasts")).to_contain_text(text)


def pasted(page: Page) -> str:
    """Give what the clipboard holds, as the search field takes it."""
    page.keyboard.press("/")
    page.keyboard.press("Control+V")
    value = page.get_by_role("searchbox").input_value()
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Escape")
    return value


class Held:
    """The websocket of a page, on which some messages are held back."""

    def __init__(self, page: Page) -> None:
        self.from_page = self.from_daemon = r"(?!)"
        self.waiting: list[Callable[[], None]] = []
        page.route_web_socket(re.compile("/ws"), self._join)

    def _join(self, route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def send(message: Any) -> None:
            if re.search(self.from_page, str(message)):
                self.waiting.append(lambda: server.send(message))
            else:
                server.send(message)

        def tell(message: Any) -> None:
            if re.search(self.from_daemon, str(message)) is None:
                route.send(message)

        route.on_message(send)
        server.on_message(tell)

    def let_go(self) -> None:
        self.from_page = r"(?!)"
        while self.waiting:
            self.waiting.pop(0)()


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_an_id_is_copied_by_a_key(browser: Browser, office: Office, has_clipboard: bool) -> None:
    """On a card, a row and a task; also where the page came without https."""
    with signed_in(browser, office.url, *ANN) as page:
        if not has_clipboard:
            page.add_init_script(
                "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
            )
            page.reload()
        card(page, "Poster").get_by_role("link").focus()
        page.keyboard.press("y")
        told(page, "Copied: cut-5")
        assert pasted(page) == "cut-5"
        page.goto(f"{office.url}/#/list")
        page.locator(".listrow a", has_text="Mix, reel 2").focus()
        page.keyboard.press("y")
        told(page, "Copied: cut-6")
        assert page.evaluate(FOCUSED) == "cut-6"
        page.goto(f"{office.url}/#/task/cut-2")
        expect(page.get_by_role("heading", name="Trailer, 30 s")).to_be_visible()
        page.keyboard.press("y")
        told(page, "Copied: cut-2")


def test_cards_rows_and_places_open_in_another_tab(browser: Browser, office: Office) -> None:
    """By the middle button, beside a link's words too; by Ctrl and a click on them: beside them it
    selects."""
    beside = {"x": 150, "y": 28}
    middle, ctrl = {"button": "middle"}, {"modifiers": ["Control"]}
    with signed_in(browser, office.url, *ANN) as page:
        work = page.get_by_role("navigation").get_by_role("link", name="House")
        for what, where, presses, how in (
            (card(page, "Poster"), "#/task/cut-5", (middle,), {"position": beside}),
            (card(page, "Poster").get_by_role("link"), "#/task/cut-5", (middle, ctrl), {}),
            (work, "#/services", (middle, ctrl), {}),
        ):
            for press in presses:
                with page.context.expect_page() as opened:
                    what.click(**press, **how)
                assert opened.value.url.endswith(where)
                opened.value.close()
        page.goto(f"{office.url}/#/list")
        with page.context.expect_page() as opened:
            page.locator(".listrow", has_text="Poster").locator(".c-id").click(button="middle")
        assert opened.value.url.endswith("#/task/cut-5")
        opened.value.close()
        assert page.url.endswith("#/list")
        page.locator(".listrow", has_text="Poster").locator(".c-id").click()
        expect(page.get_by_role("heading", name="Poster")).to_be_visible()


def test_what_can_be_undone_is_for_ten_seconds(browser: Browser, office: Office) -> None:
    office.ask("Claim", id="cut-6", user="1001", limit=3600)
    office.ask("Begin", id="cut-6", user="1001")
    with signed_in(browser, office.url, *ANN) as page:
        does(page, "Claim", "Poster")
        expect(card(page, "Poster", "claimed")).to_be_visible()
        undoes(page)
        expect(card(page, "Poster", "free")).to_be_visible()
        told(page, "Undone: Poster")
        # A release is undone whole: begun as it was, and with no more time than was left.
        does(page, "Release", "Mix, reel 2")
        page.get_by_role("button", name="Undo").click()
        expect(card(page, "Mix, reel 2", "editing")).to_be_visible()
        expect(card(page, "Mix, reel 2")).to_contain_text("59 min left")
        # Work that was handed in is with somebody else.
        does(page, "Submit", "Mix, reel 2")
        page.get_by_role("dialog").get_by_role("button", name="Submit").click()
        told(page, "Handed in")
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)
        # Begin anew: a painting that was put off by the clock before would never come.
        page.clock.install()
        page.reload()
        does(page, "Claim", "Poster")
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.clock.fast_forward(11_000)
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)
        page.keyboard.press("z")
        page.clock.resume()
    assert office.ask("Find", id="cut-5")["user"] == "1001"


def test_what_somebody_has_changed_since_is_not_undone(browser: Browser, office: Office) -> None:
    with signed_in(browser, office.url, *LEAD) as page:
        does(page, "Assign", "Poster")
        page.get_by_role("dialog").get_by_label("To").select_option("1002")
        page.get_by_role("dialog").get_by_role("button", name="Assign").click()
        expect(card(page, "Poster", "claimed")).to_be_visible()
        office.ask("Begin", id="cut-5", user="1002")
        expect(card(page, "Poster", "editing")).to_be_visible()
        undoes(page)
        told(page, "has changed since: nothing was undone")
    assert office.ask("Find", id="cut-5")["user"] == "1002"


def test_a_lead_gives_back_what_was_taken(browser: Browser, office: Office) -> None:
    """The task goes back to who had it, with the word that was there."""
    office.ask("Assign", id="cut-5", to="1001", word="by noon")
    with signed_in(browser, office.url, *LEAD) as page:
        does(page, "Release", "Poster")
        expect(card(page, "Poster", "free")).to_be_visible()
        undoes(page)
        expect(card(page, "Poster", "claimed")).to_be_visible()
    task = office.ask("Find", id="cut-5")
    assert (task["user"], task["reason"]) == ("1001", "by noon")


def test_a_drop_says_what_it_does(browser: Browser, office: Office) -> None:
    """While it is on its way, when it comes to two acts, and where it means nothing."""
    with signed_in(browser, office.url, *ANN) as page:
        held = Held(page)
        page.reload()
        held.from_page = '"op":"Begin"'
        card(page, "Poster").drag_to(page.locator(".column.editing"))
        expect(card(page, "Poster")).to_have_attribute("aria-busy", "true")
        expect(card(page, "Poster")).to_contain_text("On its way")
        held.let_go()
        expect(card(page, "Poster", "editing")).to_be_visible()
        told(page, "Begun: Poster")
        expect(page.get_by_role("button", name="Undo")).to_have_count(1)
        page.keyboard.press("z")
        expect(card(page, "Poster", "free")).to_be_visible()
        card(page, "Poster").drag_to(page.locator(".column.done"))
        told(page, "“Poster” cannot go to “Finished”")
        expect(card(page, "Poster", "free")).to_be_visible()


def test_filtered_counts_are_exact(browser: Browser, office: Office) -> None:
    """Also of what is not shown, and as it changes."""
    office.many(1300)
    with signed_in(browser, office.url, *ANN) as page:
        count = page.locator(".column.free .count")
        page.get_by_role("searchbox").fill("many-0")
        expect(count).to_have_text("1,300")
        office.ask("Update", id="many-00001", status="cancelled", own=False)
        expect(count).to_have_text("1,299")
        expect(page.locator(".column.done .count")).to_have_text("1")
        for language in ("English", "中文"):
            page.get_by_role("combobox", name=re.compile("Language|语言")).select_option(
                label=language
            )
            expect(count).to_have_text("1,299")
            page.set_viewport_size({"width": 1200, "height": 700})
            for part in page.locator(".column > header, .column > header > *").all():
                assert part.evaluate(
                    "node => node.scrollWidth <= node.clientWidth || !node.clientWidth"
                )


def test_back_undoes_a_filter_and_forward_does_it_again(browser: Browser, office: Office) -> None:
    with signed_in(browser, office.url, *LEAD) as page:
        search = page.get_by_role("searchbox")
        page.get_by_role("combobox", name="Group").select_option("paint")
        expect(card(page, "Poster")).to_have_count(0)
        for letters in ("ma", "tte"):
            search.press_sequentially(letters)
            page.wait_for_url(re.compile(f"q=.*{letters}"))
        expect(card(page, "背景绘制")).to_have_count(0)
        page.go_back()
        expect(card(page, "背景绘制")).to_be_visible()
        expect(search).to_have_value("")
        page.go_back()
        expect(card(page, "Poster")).to_be_visible()
        expect(page.get_by_role("combobox", name="Group")).to_have_value("")
        page.go_forward()
        page.go_forward()
        expect(search).to_have_value("matte")
        expect(card(page, "背景绘制")).to_have_count(0)
        # What is typed after that is a step of its own.
        search.fill("sky")
        page.wait_for_url(re.compile("q=sky"))
        page.go_back()
        expect(search).to_have_value("matte")


def test_a_list_in_another_order_shows_what_is_new_when_asked(
    browser: Browser, office: Office
) -> None:
    with signed_in(browser, office.url, *ANN, view="list?sort=name") as page:
        expect(page.locator(".listrow")).to_have_count(11)
        office.task("new-1", "A new one", group_id="cut")
        page.get_by_role("button", name="1 new: show").click()
        expect(page.locator(".listrow", has_text="A new one")).to_be_visible()


def test_a_card_says_how_far_and_how_long(browser: Browser, office: Office) -> None:
    """And a task's page shows people's fields, none of the daemon's."""
    office.task("far", "Far", EDITING, user="1001", progress="3/40", seq=-1, group_id="cut")
    with signed_in(browser, office.url, *ANN) as page:
        expect(card(page, "Far")).to_contain_text("3/40")
        expect(card(page, "Trailer")).to_contain_text(re.compile(r"1 h 59 min left"))
        page.goto(f"{office.url}/#/task/far")
        fields = page.locator(".fields")
        expect(fields).to_contain_text("Group")
        names = [name.lower() for name in fields.locator("dt").all_inner_texts()]
        assert not {"seq", "rev", "epoch", "kind", "fenced"} & set(names)
        page.goto(f"{office.url}/#/services")
        expect(page.locator(".services li").first).to_contain_text(re.compile(r"for \d+ s"))
        assert re.search(r"since.* ago", page.locator("main").inner_text()) is None


@pytest.mark.parametrize(("user", "name"), [("1001", "Ann Li (1001)"), ("9", "9")])
def test_the_loser_of_a_race_reads_who_won(
    browser: Browser, office: Office, user: str, name: str
) -> None:
    """By name and number; by the number once, where the winner has no other name."""
    office.ask("SetPerson", user="9", name="9", groups=["cut"])
    with signed_in(browser, office.url, "1002", "王小明") as page:
        held = Held(page)
        page.reload()
        expect(card(page, "Poster", "free")).to_be_visible()
        held.from_daemon = '"events"'
        office.ask("Claim", id="cut-5", user=user)
        does(page, "Claim", "Poster")
        told(page, f"Too late: {name} has it.")


def test_the_focus_never_falls_to_nowhere(browser: Browser, office: Office) -> None:
    """After an act, a dialog, an Undo, a change by others, and a way to another view."""
    with signed_in(browser, office.url, *ANN) as page:
        keys = page.keyboard
        card(page, "Poster").get_by_role("button", name="Claim").focus()
        keys.press("Enter")
        expect(card(page, "Poster", "claimed")).to_be_visible()
        assert page.evaluate(FOCUSED) == "cut-5"
        card(page, "Poster").get_by_role("button", name="Submit").focus()
        keys.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        keys.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.evaluate("document.activeElement.textContent") == "Submit"
        keys.press("Enter")
        page.get_by_role("textbox", name="Note").press("Control+Enter")
        expect(card(page, "Poster", "review")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.evaluate(FOCUSED) == "cut-5"
        # What has the focus is taken away by somebody.
        card(page, "Mix, reel 2").get_by_role("link").focus()
        office.ask("Update", id="cut-6", group_id="paint", own=False)
        expect(card(page, "Mix, reel 2")).to_have_count(0)
        assert page.evaluate("document.activeElement.tagName") != "BODY"
        card(page, "Poster").get_by_role("link").focus()
        keys.press("Enter")
        expect(page.get_by_role("heading", name="Poster")).to_be_visible()
        assert page.evaluate("document.activeElement.tagName") != "BODY"
        page.go_back()
        expect(card(page, "Poster")).to_be_visible()
        assert page.evaluate("document.activeElement.tagName") != "BODY"


def test_the_first_page_asks_little_and_the_second_nothing(
    browser: Browser, office: Office
) -> None:
    """Eight requests at most, nothing twice; on the next visit the page alone."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(office.url)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert len(asked) <= 8, asked
    assert len(set(asked)) == len(asked), asked
    page.get_by_role("textbox", name="Employee number").fill("1001")
    page.get_by_role("textbox", name="Name", exact=True).fill("Ann Li")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation")).to_be_visible()
    asked.clear()
    page.reload()
    expect(page.get_by_role("navigation")).to_be_visible()
    page.wait_for_load_state("networkidle")
    sent = page.evaluate(
        "performance.getEntries().filter((one) => one.transferSize > 0).map((one) => one.name)"
    )
    assert sent == [f"{office.url}/"], json.dumps(sent)
    assert len(asked) <= 8, asked
    assert not [one for one in asked if "/api/" in one]
    context.close()


def test_groups_are_shown_with_their_people(browser: Browser, office: Office) -> None:
    with signed_in(browser, office.url, "1005", "Root", view="groups") as page:
        paint = page.locator(".groups > li", has=page.get_by_role("heading", name="paint"))
        expect(paint).to_contain_text("Members: 2")
        expect(paint.locator(".plain").first).to_contain_text("1004")
        paint.get_by_role("link", name="Board").click()
        expect(card(page, "Matte, shot 9")).to_be_visible()
        expect(card(page, "Poster")).to_have_count(0)
        assert page.url.endswith("#/board?group=paint")
    with signed_in(browser, office.url, *ANN, view="groups") as page:
        expect(page.locator(".groups > li")).to_have_count(1)
