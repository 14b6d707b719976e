"""What is said is what people mean: saved lists, texts from terminals, orders, and odd browsers."""

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from desk import Desk, complaints_of
from office import FREE, Office
from playwright.sync_api import Browser, Page, expect

RED = "\x1b[1;31merror:\x1b[0m the disk is \x1b]8;;http://x/\x1b\\full\x1b]8;;\x1b\\\x07"
SAID = "error: the disk is full"


def saved(page: Page, to: Path) -> tuple[str, list[dict[str, str]]]:
    """Save the list; give what the file is called, and its lines."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(to)
    with to.open(encoding="utf-8-sig", newline="") as file:
        return download.value.suggested_filename, list(csv.DictReader(file))


def elsewhere() -> str:
    """Give a zone in which it is another day now than in UTC."""
    return "Pacific/Kiritimati" if datetime.now(ZoneInfo("UTC")).hour >= 10 else "Pacific/Niue"


def test_a_saved_list_is_what_the_screen_shows(
    office: Office, seat: Callable[..., Desk], tmp_path: Path
) -> None:
    """Of the local day, in the order of the list, with names beside numbers, and no escapes."""
    office.task("broken", "Broken reel", "failed", reason=RED)
    zone = elsewhere()
    root = seat("1005", "Root", view="list", timezone_id=zone)

    def day() -> str:
        return f"tasks-{datetime.now(ZoneInfo(zone)):%Y-%m-%d}.csv"

    before = day()
    name, lines = saved(root.page, tmp_path / "saved.csv")
    assert name in (before, day())
    shown = root.page.locator(".listrow .c-id").all_inner_texts()
    assert [one["id"] for one in lines] == shown
    assert shown != sorted(shown)
    by_id = {one["id"]: one for one in lines}
    assert (by_id["cut-1"]["user"], by_id["cut-1"]["user_name"]) == ("1001", "Ann Li")
    assert by_id["cut-4"]["checker_name"] == "赵组长"
    assert by_id["cut-5"]["user_name"] == ""
    assert by_id["broken"]["reason"] == SAID
    for column in ("name", "user"):
        heading = root.page.locator(f".listhead .c-{column}")
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", "ascending")
        expect(root.page.locator(".said p")).to_contain_text("tasks")
        _, lines = saved(root.page, tmp_path / "saved.csv")
        shown = root.page.locator(".listrow .c-id").all_inner_texts()
        assert [one["id"] for one in lines] == shown, column
    # Also of a list that is longer than what one page holds, where the daemon's order is shown.
    office.many(600)
    root.search.fill("many-00")
    root.page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(root.page.locator(".said p")).to_contain_text("500")
    first = root.page.locator(".listrow .c-id").first
    expect(first).to_have_text("many-00000")
    _, lines = saved(root.page, tmp_path / "saved.csv")
    assert [one["name"] for one in lines] == sorted(f"Task {n}" for n in range(600))


def test_a_saved_list_names_also_people_outside_of_ones_groups(
    office: Office, seat: Callable[..., Desk], tmp_path: Path
) -> None:
    """As the screen does; also those of rows that were not in sight."""
    office.many(500)
    for user, name in (("1003", "Eve Stone"), ("1010", "Lou Kim")):
        office.ask("SetPerson", user=user, name=name, groups=["mix"])
    office.task("shown", "Matte", "编辑中", group_id="cut", user="1003", checker="nobody-known")
    office.task("many-00000", "Task 0", "编辑中", group_id="cut", user="1010")
    ann = seat("1001", "Ann Li", view="list?sort=-id")
    expect(ann.page.locator(".listrow", has_text="Matte")).to_contain_text("Eve Stone")
    _, lines = saved(ann.page, tmp_path / "saved.csv")
    by_id = {one["id"]: one for one in lines}
    assert (by_id["shown"]["user"], by_id["shown"]["user_name"]) == ("1003", "Eve Stone")
    assert by_id["shown"]["checker_name"] == ""
    assert by_id["many-00000"]["user_name"] == "Lou Kim"


def test_what_is_meant_for_a_terminal_is_not_shown(
    office: Office, seat: Callable[..., Desk]
) -> None:
    office.task("broken", "Broken \x1b[1mreel\x1b[0m", "failed", reason=RED)
    root = seat("1005", "Root")
    card = root.card("Broken reel", "dead")
    expect(card.locator(".reason")).to_have_text(SAID)
    office.task("free", "Free \x1b[1mreel\x1b[0m", FREE, description="\x9b32mgreen\x9b0m")
    office.ask("Assign", id="free", to="1005", user="1004")
    root.told("You were given “Free reel”")
    root.go("task/broken")
    expect(root.page).to_have_title("(1) Broken reel · TaskDash")
    expect(root.page.locator("dl.fields")).to_contain_text(SAID)
    expect(root.page.locator(".history")).to_contain_text(SAID)
    root.go("task/free")
    expect(root.page.locator("dl.fields")).to_contain_text("green")
    assert not set(root.page.content()) & {"\x1b", "\x9b", "\x07"}


@pytest.mark.parametrize("zone", ["en-GB", "zh-CN"])
def test_names_are_in_the_order_of_the_readers_language(
    office: Office, seat: Callable[..., Desk], zone: str
) -> None:
    names = {"2001": "zoe", "2002": "Ärger", "2003": "Anton", "2004": "Zoë", "2005": "张三"}
    names |= {"2006": "陈一", "2007": "李四"}
    for user, name in names.items():
        office.ask("SetPerson", user=user, name=name, groups=["sea"])
        office.task(f"of-{user}", name, FREE, group_id="sea")
    desk = seat("1005", "Root", locale="en-GB")
    in_order = {
        "en-GB": ["Anton", "Ärger", "zoe", "Zoë", "张三", "李四", "陈一"],
        "zh-CN": ["陈一", "李四", "张三", "Anton", "Ärger", "zoe", "Zoë"],
    }[zone]
    if zone == "zh-CN":
        desk.page.get_by_role("combobox", name="Language").select_option("zh")
    desk.card("Anton").get_by_role("button").nth(1).click()
    options = desk.page.locator("dialog select[name=to] option")
    expect(options).to_have_count(1 + len(names))
    chosen = [one.partition(" (")[0] for one in options.all_inner_texts() if one]
    assert chosen == in_order
    desk.page.keyboard.press("Escape")
    desk.page.goto(f"{office.url}/#/list?group=sea&sort=name")
    rows = desk.page.locator(".listrow .c-name a")
    expect(rows).to_have_count(len(names))
    assert rows.all_inner_texts() == in_order


STORAGES = {
    "null": "for (const one of ['who', 'theme', 'language', 'signed-in', 'user'])"
    " { localStorage.setItem(one, 'null'); sessionStorage.setItem(one, ''); }",
    "no JSON": "localStorage.setItem('who', '{'); localStorage.setItem('theme', '\\0');",
    "other JSON": "localStorage.setItem('who', '{\"user\": {}, \"name\": 7}')",
    "constructor": "localStorage.setItem('language', 'constructor')",
    "full": "Storage.prototype.setItem = () => {"
    " throw new DOMException('', 'QuotaExceededError') }",
    "forbidden": "for (const one of ['localStorage', 'sessionStorage'])"
    " Object.defineProperty(window, one,"
    " { get() { throw new DOMException('', 'SecurityError') } })",
}


@pytest.mark.parametrize("odd", STORAGES)
def test_the_sign_in_always_comes(browser: Browser, office: Office, odd: str) -> None:
    """And so does the board, in a browser that keeps nothing, or something else."""
    context = browser.new_context(locale="en-GB")
    context.add_init_script(f"if (!window.name) {{ {STORAGES[odd]} }}")
    page = context.new_page()
    complaints = complaints_of(page)
    page.goto(f"{office.url}/#/board")
    page.get_by_role("textbox", name="Employee number").fill("1001")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#bar .me")).to_contain_text("Ann Li")
    page.get_by_role("button", name="Light or dark").click()
    page.get_by_role("combobox", name="Language").select_option("zh")
    expect(page.locator("#bar .me")).to_contain_text("退出")
    context.close()
    assert complaints == []
