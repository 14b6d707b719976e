"""Accounts at the board: nobody is overwritten, and of two admins none loses what they did."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from office import PASSWORD, PEOPLE, Office
from playwright.sync_api import Browser, Locator, Page, expect
from screens import signed_in


@pytest.fixture
def office(tmp_path: Any) -> Iterator[Office]:
    with Office(tmp_path) as one:
        one.people()
        yield one


def form(page: Page, button: str, of: str = "") -> Locator:
    """Open the form of a new account, or that of a person."""
    within = page.get_by_role("listitem").filter(has_text=of) if of else page
    within.get_by_role("button", name=re.compile(f"^{button}(:|$)")).click()
    return page.get_by_role("dialog")


def account(office: Office, user: str) -> dict[str, Any]:
    people: list[dict[str, Any]] = office.ask("People")["people"]
    (one,) = (one for one in people if one["user"] == user)
    return one


def test_a_number_that_somebody_has_makes_nobody_else(browser: Browser, office: Office) -> None:
    """A lead became a worker without groups, and nobody was told."""
    before = account(office, "1004")
    with signed_in(browser, office.url, "1005", "Root", "people") as page:
        new = form(page, "Add a person")
        new.get_by_label("Employee number").fill("１００４")
        new.get_by_label("Name", exact=True).fill("Leo")
        new.get_by_role("button", name="Save").click()
        expect(new.get_by_role("alert")).to_have_text("赵组长 (1004) has this number already.")
        expect(new.get_by_label("Name", exact=True)).to_have_value("Leo")
        assert account(office, "1004") == before
        new.get_by_label("Employee number").fill("1009")
        new.get_by_label("Groups", exact=True).fill("剪辑、美术，Team A")
        new.get_by_role("button", name="Save").click()
        expect(new).to_have_count(0)
        expect(page.get_by_text("Leo", exact=True)).to_be_visible()
    assert account(office, "1009")["groups"] == ["剪辑", "美术", "Team A"]


def test_of_two_admins_none_loses_what_they_did(
    browser: Browser, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form of the second had the account of before, and put it back."""
    rita_is = {"name": "Rita", "role": "admin", "password": PASSWORD}
    monkeypatch.setitem(PEOPLE, "1006", rita_is)
    office.ask("SetPerson", user="1006", **rita_is)
    with (
        signed_in(browser, office.url, "1005", "Root", "people") as root,
        signed_in(browser, office.url, "1006", "Rita", "people") as rita,
    ):
        first, second = form(root, "Edit", "Eve Stone"), form(rita, "Edit", "Eve Stone")
        first.get_by_label("Groups", exact=True).fill("paint, cut")
        first.get_by_label("Role").select_option("lead")
        first.get_by_role("button", name="Save").click()
        expect(first).to_have_count(0)
        second.get_by_label("Name", exact=True).fill("Eva Stone")
        second.get_by_role("button", name="Save").click()
        said = second.get_by_role("alert")
        expect(said).to_contain_text("Role: lead · Groups: paint, cut · Groups led: paint, cut")
        expect(said).not_to_have_text(re.compile("Active|base|rev"))
        expect(second.get_by_label("Name", exact=True)).to_have_value("Eva Stone")
        assert account(office, "1003")["name"] == "Eve Stone"
        second.get_by_role("button", name="Save").click()
        expect(second).to_have_count(0)
        now = account(office, "1003")
    assert (now["name"], now["role"]) == ("Eva Stone", "lead")
    assert now["groups"] == now["leads"] == ["paint", "cut"]


def test_who_leads_nothing_by_name_leads_all_their_groups(browser: Browser, office: Office) -> None:
    """As the form says it; to empty the field changed nothing, and nobody was told."""
    office.ask("SetPerson", user="1004", leads=["cut"])
    with signed_in(browser, office.url, "1005", "Root", "people") as page:
        lead = form(page, "Edit", "赵组长")
        lead.get_by_label("Groups led").fill("")
        lead.get_by_role("button", name="Save").click()
        expect(lead).to_have_count(0)
        assert account(office, "1004")["leads"] == ["cut", "paint"]


def test_an_admin_neither_shuts_themselves_out_nor_makes_one_who_cannot_come_in(
    browser: Browser, office: Office
) -> None:
    """The one administrator was signed out at once, and groups led by a worker went unsaid."""
    with signed_in(browser, office.url, "1005", "Root", "people") as page:
        own = form(page, "Edit", "Root")
        own.get_by_label("Active").uncheck()
        own.get_by_role("button", name="Save").click()
        expect(own.get_by_role("alert")).to_contain_text("You would shut yourself out")
        own.get_by_role("button", name="Cancel").click()
        new = form(page, "Add a person")
        expect(new.get_by_label("Password")).to_have_attribute("placeholder", "none")
        new.get_by_label("Employee number").fill("1009")
        new.get_by_label("Name", exact=True).fill("Leo")
        new.get_by_label("Groups led").fill("cut")
        new.get_by_role("button", name="Save").click()
        expect(new.get_by_role("alert")).to_contain_text("Only a lead leads groups")
        new.get_by_label("Groups led").fill("")
        new.get_by_label("Role").select_option("admin")
        new.get_by_role("button", name="Save").click()
        expect(new.get_by_role("alert")).to_contain_text("without a password")
        new.get_by_label("Password").fill(PASSWORD)
        new.get_by_role("button", name="Save").click()
        expect(new).to_have_count(0)
    assert account(office, "1005")["active"]
    assert account(office, "1009")["role"] == "admin"


def test_too_many_groups_are_refused_in_the_readers_words(browser: Browser, office: Office) -> None:
    with signed_in(browser, office.url, "1005", "Root", "people") as page:
        eve = form(page, "Edit", "Eve Stone")
        eve.get_by_label("Groups", exact=True).fill("、".join(f"g{n}" for n in range(65)))
        eve.get_by_role("button", name="Save").click()
        expect(eve.get_by_role("alert")).to_have_text("Nobody is in more than 64 groups.")
    assert account(office, "1003")["groups"] == ["paint"]


def test_whom_a_task_names_is_a_name_also_outside_of_ones_groups(
    browser: Browser, office: Office
) -> None:
    """People of other groups were numbers: on cards, on a task, and in what comes later."""
    office.task("t", "Trailer", "编辑中", group_id="cut", user="1003", checker="1004")
    with signed_in(browser, office.url, "1001", "Ann Li") as page:
        card = page.locator(".card", has_text="Trailer")
        expect(card).to_contain_text("Eve Stone")
        office.ask("SetPerson", user="1010", name="Lou Kim", groups=["mix"])
        office.task("u", "Mix", "编辑中", group_id="cut", user="1010")
        expect(page.locator(".card", has_text="Mix")).to_contain_text("Lou Kim")
        card.get_by_role("link").first.click()
        expect(page.get_by_role("article")).to_contain_text("Eve Stone")
        page.goto(f"{office.url}/#/list")
        expect(page.get_by_text("Eve Stone").first).to_be_visible()
        expect(page.get_by_text("1003", exact=True)).to_have_count(0)


def test_who_is_in_no_group_reads_whom_to_ask(browser: Browser, office: Office) -> None:
    """A newcomer saw an empty page. The administrators' numbers are told to nobody."""
    with signed_in(browser, office.url, "1020", "New Bee", "mine") as page:
        expect(page.get_by_text("Ask Root to put you into one.")).to_be_visible()
        page.goto(f"{office.url}/#/board")
        expect(page.get_by_text("Ask Root to put you into one.")).to_be_visible()
        expect(page.get_by_text("1005")).to_have_count(0)
        office.ask("SetPerson", user="1020", groups=["cut"])
        expect(page.get_by_text("to put you into one")).to_have_count(0)
        page.goto(f"{office.url}/#/mine")
        expect(page.get_by_role("heading", name="Mine")).to_be_visible()
        expect(page.get_by_text("to put you into one")).to_have_count(0)
