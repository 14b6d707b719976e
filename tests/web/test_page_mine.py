"""Mine in a real browser: what waits for whoever looks, and how much of it, whatever is open."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from desk import Desk
from office import EDITING, FREE, Office
from playwright.sync_api import Locator, Page, expect


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path) as office:
        office.people()
        for number in range(1, 6):
            office.task(f"t{number}", f"Film {number}", FREE, group_id="cut")
        yield office


@pytest.fixture
def opened(seat: Callable[..., Desk]) -> Callable[..., Page]:
    """Seat people, each at a browser of their own; without a view they land where one does."""
    return lambda user, view="": seat(user, "", view=view).page


def sections(page: Page) -> dict[str, list[str]]:
    """Give the names of the tasks in each section, in order."""
    return {
        one.get_by_role("heading").inner_text(): one.locator(".card .name").all_inner_texts()
        for one in page.locator(".mine > section").all()
    }


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_text(name, exact=True))


def number_in_icon(page: Page) -> str:
    href = unquote(page.locator("link[rel=icon]").get_attribute("href") or "")
    found = re.search(r"<text[^>]*>([0-9+]+)</text>", href)
    return found[1] if href.startswith("data:") and found else ""


def test_one_lands_where_all_that_waits_is_in_order(
    office: Office, opened: Callable[..., Page]
) -> None:
    """First what was sent back and what is to check, then what was given, then what one has."""
    office.ask("Claim", id="t1", user="1004")
    office.ask("Submit", id="t1", user="1004", checker="1001")
    office.ask("Reject", id="t1", user="1001", reason="too dark")
    office.ask("Claim", id="t2", user="1001")
    office.ask("Submit", id="t2", user="1001")
    office.ask("Assign", id="t3", to="1004")
    for task in ("t4", "t5"):
        office.ask("Claim", id=task, user="1004")
    office.ask("Begin", id="t5", user="1004")
    lead = opened("1004")
    expect(lead).to_have_title("(5) Mine · TaskDash")
    expect(lead.get_by_role("link", name="Mine")).to_have_attribute("aria-current", "true")
    expect(lead.locator(".mine > section")).to_have_count(5)
    assert sections(lead) == {
        "Sent back to you": ["Film 1"],
        "To check": ["Film 2"],
        "Given to you": ["Film 3"],
        "In work": ["Film 5"],
        "Claimed": ["Film 4"],
    }
    expect(card(lead, "Film 1")).to_contain_text("Ann Li sent it back: too dark")
    expect(card(lead, "Film 2")).to_contain_text("For a lead of cut")
    # Acts are done here as on a card, and the number follows.
    card(lead, "Film 2").get_by_role("button", name="Approve").click()
    expect(lead).to_have_title("(4) Mine · TaskDash")
    card(lead, "Film 3").get_by_role("button", name="Begin").click()
    expect(lead.get_by_role("region", name="Given to you")).to_have_count(0)
    expect(lead.get_by_role("region", name="In work")).to_contain_text("Film 3")
    expect(lead).to_have_title("(4) Mine · TaskDash")


@pytest.mark.parametrize(
    ("acts", "section", "said"),
    [
        ([("Assign", {"user": "1004", "to": "1001"})], "Given to you", "赵组长 gave it to you"),
        (
            [
                ("Claim", {"user": "1002"}),
                ("Handover", {"user": "1004", "of": "1002", "to": ["1001"]}),
            ],
            "Given to you",
            "赵组长 gave it to you",
        ),
        (
            [("Claim", {"user": "1001"}), ("Release", {"user": "1004"})],
            "No longer yours",
            "赵组长 set it free",
        ),
        (
            [("Claim", {"user": "1001"}), ("Assign", {"user": "1004", "to": "1002"})],
            "No longer yours",
            "赵组长 gave it to another",
        ),
        ([("Claim", {"user": "1001", "limit": 1})], "No longer yours", "It is free again"),
    ],
)
def test_what_others_do_without_a_word_is_told_until_it_was_seen(
    office: Office,
    opened: Callable[..., Page],
    acts: list[tuple[str, dict[str, Any]]],
    section: str,
    said: str,
) -> None:
    """On the open page at once, after a reload, and in another browser, until one has seen it."""
    ann = opened("1001")
    expect(ann).to_have_title("Mine · TaskDash")
    for name, body in acts:
        office.ask(name, **(body if name == "Handover" else {"id": "t1", **body}))
    entry = ann.get_by_role("region", name=section)
    expect(entry).to_contain_text("Film 1")
    expect(entry).to_contain_text(said)
    expect(ann.locator("#toasts")).to_contain_text("Film 1")
    expect(ann).to_have_title("(1) Mine · TaskDash")
    ann.reload()
    expect(entry).to_contain_text(said)
    other = opened("1001")
    elsewhere = other.get_by_role("region", name=section)
    expect(elsewhere).to_contain_text(said)
    other.get_by_role("button", name="Seen").click()
    for page in (ann, other):
        expect(page.get_by_role("region", name=section)).to_have_count(0)
    mine = office.ask("Find", id="t1")["user"] == "1001"
    expect(ann).to_have_title("(1) Mine · TaskDash" if mine else "Mine · TaskDash")


def test_the_number_is_in_the_title_and_the_icon_of_every_place(
    office: Office, opened: Callable[..., Page]
) -> None:
    """A task that was given and is to do counts once; what others have counts for them."""
    ann = opened("1001", "board")
    expect(ann).to_have_title("Work · TaskDash")
    assert number_in_icon(ann) == ""
    plain = ann.locator("link[rel=icon]").get_attribute("href") or ""
    office.ask("Assign", id="t1", to="1001")
    office.ask("Claim", id="t2", user="1001")
    office.ask("Claim", id="t3", user="1002")
    expect(ann).to_have_title("(2) Work · TaskDash")
    office.ask("Submit", id="t3", user="1002", checker="1001")
    expect(ann).to_have_title("(3) Work · TaskDash")
    assert number_in_icon(ann) == "3"
    for link, place in (("People", "People"), ("House", "House"), ("Mine", "Mine")):
        ann.get_by_role("navigation").get_by_role("link", name=link).click()
        expect(ann).to_have_title(f"(3) {place} · TaskDash")
    card(ann, "Film 3").get_by_text("Film 3", exact=True).click()
    expect(ann).to_have_title("(3) Film 3 · TaskDash")
    ann.get_by_role("combobox", name="Language").select_option(label="中文")
    ann.goto(f"{office.url}/#/")
    expect(ann).to_have_title("(3) 我的 · TaskDash")
    # Whoever signs in next finds nothing of it.
    ann.get_by_role("button", name="退出").click()
    ann.get_by_role("dialog").get_by_role("button", name="退出").click()
    expect(ann).to_have_title("TaskDash")
    expect(ann.locator("link[rel=icon]")).to_have_attribute("href", f"{office.url}/{plain}")


def test_what_comes_moves_nothing_away_from_under_a_hand(
    office: Office, opened: Callable[..., Page]
) -> None:
    """At 20 changes a second of one's own tasks every aimed press meets the task aimed at."""
    for number in range(1, 6):
        office.ask("Claim", id=f"t{number}", user="1001")
        office.ask("Begin", id=f"t{number}", user="1001")
    ann = opened("1001")
    expect(ann).to_have_title("(5) Mine · TaskDash")
    expect(ann.get_by_role("region", name="In work").locator(".card")).to_have_count(5)
    names = sections(ann)["In work"]
    for number in range(100):
        office.ask("Update", id=f"t{number * 3 % 5 + 1}", progress=f"{number}/100", own=False)
        if number % 20 == 10:
            assert sections(ann)["In work"] == names
        ann.wait_for_timeout(50)
    aimed = card(ann, names[2]).get_by_role("button", name="Release")
    at = aimed.bounding_box()
    assert at is not None
    office.ask("Update", id="t5", progress="100/100", own=False)
    ann.mouse.click(at["x"] + 5, at["y"] + 5)
    expect(card(ann, names[2])).to_have_count(0)
    left = [task["name"] for task in office.ask("Query", where={"status": EDITING})["tasks"]]
    assert sorted(left) == sorted(set(names) - {names[2]})
