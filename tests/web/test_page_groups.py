"""Groups at the board: renamed, merged, emptied, by admins; and nobody's filter is a dead end."""

import json
import re
from collections.abc import Callable
from typing import Any

from desk import Desk
from office import Office
from playwright.sync_api import Locator, WebSocketRoute, expect
from screens import axe_says

Seat = Callable[..., Desk]


def group(desk: Desk, name: str) -> Locator:
    heading = desk.page.get_by_role("heading", name=name, exact=True)
    return desk.page.locator(".groups > li").filter(has=heading)


def opened(desk: Desk, act: str, name: str) -> Locator:
    """Press what a group can have done to it; gives the dialog."""
    button = desk.page.get_by_role("button", name=re.compile(f"^{act}(: |：){name}$"))
    expect(button).to_be_visible()
    button.click()
    dialog = desk.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def confirm(dialog: Locator, act: str) -> None:
    dialog.get_by_role("button", name=act, exact=True).click()


def replies_go_through(desk: Desk, change: Callable[[dict[str, Any]], None]) -> None:
    """Let replies be changed on their way from the daemon."""

    def changed(message: str | bytes) -> str | bytes:
        told = json.loads(message)
        for part in told if isinstance(told, list) else [told]:
            if isinstance(part, dict):
                change(part)
        return json.dumps(told)

    def connect(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(changed(message)))

    desk.page.route_web_socket("**/ws*", connect)
    desk.page.reload()
    expect(group(desk, "cut")).to_be_visible()


def account(office: Office, user: str) -> dict[str, Any]:
    people: list[dict[str, Any]] = office.ask("People")["people"]
    (one,) = (one for one in people if one["user"] == user)
    return one


def test_a_group_is_renamed_and_nobodys_filter_is_a_dead_end(office: Office, seat: Seat) -> None:
    cut, film = {"group": "cut"}, {"group": "Film Cut"}
    office.ask("SetView", name="Dead", of=cut, query="list?group=cut&state=dead")
    root, ann = seat("1005", "Root", view="groups"), seat("1001", "Ann Li", view="board?group=cut")
    expect(ann.page.locator(".card").first).to_be_visible()
    expect(ann.page.get_by_text("You see nobody in the group")).to_have_count(0)
    dialog = opened(root, "Rename", "cut")
    expect(dialog).to_contain_text("People: 3 · Services: 2 · Open tasks: 6")
    field = dialog.get_by_role("textbox", name="New name")
    for given, said in (
        ("cut", "It is called so already."),
        ("ｐａｉｎｔ", "There is a group “paint” already: merge into it instead."),
        ("film、cut", "One name, please."),
        ("、", "One name, please."),
    ):
        field.fill(given)
        confirm(dialog, "Rename")
        expect(dialog.get_by_role("alert")).to_have_text(said)
    field.fill(" Film  Cut")
    field.press("Enter")
    expect(dialog).to_have_count(0)
    root.told("“cut” is “Film Cut” now. People: 3 · Services: 2 · Open tasks: 6")
    (kept,) = office.ask("Views", of=film)["views"]
    assert kept["query"] == "list?group=Film+Cut&state=dead"
    expect(group(root, "Film Cut")).to_contain_text("Members: 3")
    expect(group(root, "cut")).to_have_count(0)
    gone = ann.page.get_by_role("status").filter(has_text="You see nobody in the group “cut”")
    expect(gone).to_be_visible()
    gone.get_by_role("button", name="All groups").click()
    expect(gone).to_have_count(0)
    expect(ann.card("Poster")).to_be_visible()
    expect(ann.page.get_by_label("Group", exact=True).locator("option")).to_have_text(
        ["All groups", "Film Cut", "paint"]
    )


def test_a_merge_goes_on_until_all_is_done_and_names_tokens(office: Office, seat: Seat) -> None:
    """The daemon says `more` after some seconds: here at once, by the network."""
    office.token("wall", "--role", "reader", "--group", "cut")
    desk = seat("1005", "Root", view="groups")
    replies: list[bool] = []

    def change(reply: dict[str, Any]) -> None:
        if "tokens" in reply:
            replies.append(reply["more"])
            reply["more"] = len(replies) == 1

    replies_go_through(desk, change)
    dialog = opened(desk, "Merge", "cut")
    dialog.get_by_label("Into which group").select_option("paint")
    confirm(dialog, "Merge")
    told = desk.page.get_by_role("dialog", name="“cut” is “paint” now")
    expect(told).to_contain_text("People: 3 · Services: 2 · Open tasks: 6")
    expect(told).to_contain_text("Tokens that name “cut”")
    expect(told.get_by_role("listitem")).to_have_text(["wall"])
    expect(told).to_contain_text("taskdashd token create NAME --group 'paint'")
    assert replies == [False, False]
    assert axe_says(desk.page) == []
    confirm(told, "Close")
    expect(group(desk, "paint")).to_contain_text("Members: 4")
    expect(group(desk, "cut")).to_have_count(0)
    assert (
        office.ask("Query", where={"group_id": "cut", "class": ["live", "waiting"]})["tasks"] == []
    )


def test_an_emptied_group_is_shown_and_can_be_merged_away(office: Office, seat: Seat) -> None:
    """Who led it alone leads no other group for that."""
    office.ask(
        "SetPerson", user="1006", name="Lou", groups=["paint", "mix"], role="lead", leads=["paint"]
    )
    office.ask("SetPerson", user="1007", name="Gone", groups=["paint"], active=False)
    desk = seat("1005", "Root", view="groups")
    dialog = opened(desk, "Empty", "paint")
    expect(dialog).to_contain_text("People: 4 · Services: 0 · Open tasks: 2")
    expect(dialog).to_contain_text("only administrators see them")
    confirm(dialog, "Empty")
    expect(dialog).to_have_count(0)
    desk.told("Nobody is in “paint” any more.")
    paint = group(desk, "paint")
    expect(paint).to_contain_text("Nobody is in it.")
    expect(paint).to_contain_text("Open tasks: 2")
    expect(paint.get_by_role("button")).to_have_text(["Rename", "Merge"])
    assert account(office, "1003")["groups"] == account(office, "1007")["groups"] == []
    assert (account(office, "1006")["groups"], account(office, "1006")["leads"]) == (["mix"], [])
    assert account(office, "1004")["leads"] == ["cut"]
    dialog = opened(desk, "Merge", "paint")
    dialog.get_by_label("Into which group").select_option("cut")
    confirm(dialog, "Merge")
    expect(paint).to_have_count(0)


def test_what_only_tasks_name_is_a_group_too(office: Office, seat: Seat) -> None:
    """Also where there are more open tasks than the page looks at: then it asks for the name."""
    office.task("odd", "Odd", group_id="剪辑、美术")
    desk = seat("1005", "Root", view="groups")
    expect(group(desk, "剪辑、美术")).to_contain_text("Nobody is in it.")
    expect(desk.page.get_by_role("button", name="A group that is not here")).to_have_count(0)
    office.many(1001)
    office.task("z", "Z", group_id="ｚｚｚ")
    desk.page.reload()
    other = desk.page.get_by_role("button", name="A group that is not here")
    expect(other).to_be_visible()
    expect(group(desk, "ｚｚｚ")).to_have_count(0)
    other.dblclick()
    name = desk.page.get_by_role("textbox", name="Name of the group")
    name.fill("ｚｚｚ")
    name.press("Enter")
    dialog = desk.page.get_by_role("dialog", name="Put “ｚｚｚ” into another group")
    expect(dialog).to_contain_text("People: 0 · Services: 0 · Open tasks: 1")
    dialog.get_by_label("Into which group").select_option("paint")
    confirm(dialog, "Merge")
    expect(dialog).to_have_count(0)
    assert office.ask("Find", id="z")["group_id"] == "paint"


def test_what_is_refused_is_said_in_words(office: Office, seat: Seat) -> None:
    """In the reader's language, never by the daemon's own sentence; and it can be gone on with."""
    desk = seat("1005", "Root", view="groups")
    refused = {"errid": 1003, "errmsg": "x", "detail": "DETAIL", "cause": "admin"}
    refusals = [refused, {**refused, "errid": 1005, "cause": ""}, {"left": [{"id": "cut-6"}]}]

    def change(reply: dict[str, Any]) -> None:
        if "tokens" in reply:
            reply.update(refusals.pop(0))
            for one in reply.get("left", ()):
                one["why"] = "DETAIL"

    replies_go_through(desk, change)
    desk.page.get_by_role("combobox", name="Language").select_option("zh")
    dialog = opened(desk, "改名", "cut")
    field = dialog.get_by_role("textbox", name="新名称")
    field.fill("新组")
    for said in ("只有管理员可以这样做。", "服务繁忙，请稍后再试。未执行任何操作。"):
        confirm(dialog, "改名")
        expect(dialog.get_by_role("alert")).to_have_text(said)
    confirm(dialog, "改名")
    told = desk.page.get_by_role("dialog", name="“cut”现为“新组”")
    expect(told.get_by_role("link")).to_have_text(["cut-6"])
    expect(desk.page.locator("body")).not_to_contain_text("DETAIL")
    told.get_by_role("link").click()
    expect(desk.page.locator(".taskhead h1")).to_have_text("Mix, reel 2")
    expect(told).to_have_count(0)


def test_only_admins_put_groups_in_order(office: Office, seat: Seat) -> None:
    desk = seat("1004", "", view="groups")
    expect(group(desk, "cut")).to_be_visible()
    expect(desk.page.locator("#main").get_by_role("button")).to_have_count(0)


def test_dialogs_of_groups_keep_nobody_out(office: Office, seat: Seat) -> None:
    """By keyboard alone, with axe-core silent, in both themes and languages, and on a phone."""
    name = "W" * 128
    office.task("wide", "Wide", group_id=name)
    desk = seat("1005", "Root", view="groups")
    for theme, language in (("light", "en"), ("dark", "zh")):
        desk.page.evaluate(
            "([t, l]) => { localStorage.theme = t; localStorage.language = l }", [theme, language]
        )
        desk.page.reload()
        desk.page.set_viewport_size({"width": 360, "height": 740})
        expect(desk.page.locator(f"html[data-theme={theme}] .groups")).to_be_visible()
        expect(group(desk, name)).to_be_visible()
        assert desk.page.evaluate("document.querySelector('#main').scrollWidth") <= 360
        assert axe_says(desk.page) == []
        for number in range(3):
            button = group(desk, "cut").get_by_role("button").nth(number)
            button.focus()
            button.press("Enter")
            dialog = desk.page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            assert axe_says(desk.page) == []
            assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth")
            desk.page.keyboard.press("Escape")
            # Gone, not only closed: the act goes on behind that, and until then takes no other.
            expect(desk.page.locator("dialog[aria-labelledby^=dialog-]")).to_have_count(0)
            expect(button).to_be_focused()
