"""What died or failed is answered from its card, its row and its page, and services are retired."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import Locator, Page, expect
from screens import axe_says

import taskdash

Seat = Callable[..., Desk]
DEAD_URL = "http://10.0.0.9:8080"
WORD = "The disk was full, I start it again"


@pytest.fixture
def lead(office: Office, seat: Seat) -> Desk:
    """Give a lead's desk, in an office where a task has failed."""
    return seat("1004", "")


@pytest.fixture
def death(office: Office) -> None:
    """Have a task die."""
    dies(office, "dead-1", "Render reel 9")


def dies(office: Office, task_id: str, name: str) -> None:
    """Have a task die: whoever registered it says nothing more."""
    about = {"id": task_id, "name": name, "status": "running", "group_id": "cut"}
    with taskdash.connect(office.daemon.url) as owner:
        owner.ask("Register", **about, heartbeat_timeout=0.5)
    for _ in range(200):
        if office.ask("Find", id=task_id)["status"] == "shutdown":
            return
        time.sleep(0.05)
    raise AssertionError(f"{task_id} is still alive")


def column(desk: Desk) -> Locator:
    return desk.page.locator(".column.dead")


def count(desk: Desk) -> Locator:
    return column(desk).locator(".count")


def says(page: Page, word: str, act: str) -> None:
    """Type a word in the dialog that is open, and confirm it."""
    box = page.get_by_role("dialog")
    box.get_by_role("textbox").fill(word)
    box.get_by_role("button", name=act).click()
    expect(box).to_have_count(0)


def unanswered(desk: Desk) -> Locator:
    return desk.page.locator(".tile").filter(has_text="died, unanswered").locator("strong")


@pytest.mark.usefixtures("death")
def test_what_died_is_acknowledged_on_its_card(office: Office, lead: Desk, seat: Seat) -> None:
    """Who has seen it stands on card and task page, with word and time; it counts no more."""
    other = seat("1001", "Ann Li", view="now")
    expect(unanswered(other)).to_have_text("2")
    expect(count(lead)).to_have_text("2")
    lead.does("Acknowledge", "Render reel 9")
    says(lead.page, WORD, "Acknowledge")
    card = lead.card("Render reel 9", "dead")
    expect(card).to_contain_text("Seen by 赵组长")
    expect(card).to_contain_text(WORD)
    expect(card.locator(".answered time")).to_have_attribute("datetime", re.compile(r"Z$"))
    expect(card.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(count(lead)).to_have_text("1")
    expect(unanswered(other)).to_have_text("1")
    expect(other.page.locator(".lines li").filter(has_text="Render reel 9")).to_contain_text(
        "赵组长"
    )
    other.go("task/dead-1")
    head = other.page.locator(".task > .answered")
    expect(head).to_contain_text(re.compile(f"Seen by 赵组长 .+ · {WORD}"))
    expect(other.page.locator(".history")).to_contain_text(f"· {WORD}")
    lead.page.reload()
    expect(lead.card("Render reel 9", "dead")).to_contain_text(WORD)
    expect(count(lead)).to_have_text("1")


def test_a_word_is_not_required(lead: Desk) -> None:
    lead.does("Acknowledge", "Upload to archive")
    says(lead.page, "", "Acknowledge")
    expect(lead.card("Upload to archive", "dead")).to_contain_text("Seen by 赵组长")


@pytest.mark.usefixtures("death")
def test_what_is_dismissed_leaves_the_board_and_now(lead: Desk, seat: Seat) -> None:
    """A button below the column shows it all the same; acknowledging it brings it back."""
    other, wall = seat("1001", "Ann Li"), seat("1002", "王小明", view="now")
    dead = other.page.locator(".column.dead")
    line = wall.page.locator(".lines li").filter(has_text="Upload to archive")
    expect(line).to_have_count(1)
    lead.does("Dismiss", "Upload to archive")
    for desk in (lead, other):
        expect(desk.card("Upload to archive")).to_have_count(0)
        expect(count(desk)).to_have_text("1")
    expect(line).to_have_count(0)
    expect(unanswered(wall)).to_have_text("1")
    dead.get_by_role("button", name="Show dismissed").click()
    hidden = other.card("Upload to archive", "dead")
    expect(hidden).to_contain_text("Dismissed by 赵组长")
    expect(count(other)).to_have_text("1")
    assert "hidden=1" in other.page.url
    other.page.reload()
    hidden.get_by_role("button", name="Acknowledge").click()
    says(other.page, "", "Acknowledge")
    expect(lead.card("Upload to archive", "dead")).to_contain_text("Seen by Ann Li")
    dead.get_by_role("button", name="Show dismissed").click()
    expect(hidden).to_contain_text("Seen by Ann Li")
    assert "hidden" not in other.page.url


def test_the_tile_leads_to_what_nobody_has_answered(office: Office, seat: Seat) -> None:
    """Exactly those that it counts; a chip says so, and shows all that have died again."""
    office.task("seen", "Known for long", "failed", group_id="cut")
    office.ask("Acknowledge", id="seen", user="1004")
    desk = seat("1001", "Ann Li", view="now")
    expect(unanswered(desk)).to_have_text("1")
    unanswered(desk).click()
    rows = desk.page.locator(".listrow")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Upload to archive")
    chip = desk.page.get_by_role("button", name="Seen: by nobody")
    expect(chip).to_be_visible()
    office.ask("Acknowledge", id="old-1", user="1004")
    expect(rows).to_contain_text("赵组长")
    desk.page.reload()
    expect(desk.page.get_by_text("No matching tasks")).to_be_visible()
    chip.click()
    expect(rows).to_have_count(2)


def test_a_column_counts_what_it_shows_among_many_dismissed(office: Office, seat: Seat) -> None:
    """Where a filter chooses, the page counts: what was dismissed last is no part of it."""
    for number in range(70):
        office.task(f"f-{number}", f"Batch {number}", "failed", group_id="cut", project_id="p")
    for number in range(65):
        office.ask("Acknowledge", id=f"f-{number}", user="1004", hide=True)
    desk = seat("1001", "Ann Li", view="board?project=p")
    expect(desk.page.locator(".column.dead .card")).to_have_count(5)
    expect(count(desk)).to_have_text("5")
    desk.page.get_by_role("button", name="Show dismissed").click()
    expect(desk.page.locator(".column.dead .card")).to_have_count(60)
    expect(count(desk)).to_have_text("5")


def test_a_program_is_shown_by_its_name_alone(office: Office, seat: Seat) -> None:
    """Process, client and address stand behind, where somebody looks for them."""
    office.ask("Acknowledge", id="old-1", word=WORD)
    whole = office.ask("Find", id="old-1")["acknowledged"]["by"]
    name, _, rest = whole.partition("[")
    assert "taskdash-python" in rest
    desk = seat("1001", "Ann Li")
    answer = desk.card("Upload to archive", "dead").locator(".answered")
    expect(answer).to_contain_text(re.compile(f"Seen by {re.escape(name)} (now|.* ago|[0-9])"))
    expect(answer).not_to_contain_text("taskdash-python")
    expect(answer).to_have_attribute("title", re.compile(re.escape(whole)))


def test_a_history_names_people_of_other_groups(office: Office, seat: Seat) -> None:
    """Also where the task names them no longer."""
    office.task("handed", "Handed over", "待领取", group_id="cut", user="1003")
    office.ask("Update", id="handed", user="1001", own=False)
    desk = seat("1001", "Ann Li", view="task/handed")
    expect(desk.page.locator(".history")).to_contain_text("Eve Stone (1003)")


def test_what_was_dismissed_covers_nothing(office: Office, seat: Seat) -> None:
    """Hundreds that were dismissed last hide no others, neither on the board nor on the wall."""
    for number in range(150):
        office.task(f"f-{number}", f"Batch {number}", "failed", group_id="cut")
    for number in range(150):
        office.ask("Acknowledge", id=f"f-{number}", user="1004", hide=True)
    desk = seat("1004", "")
    for view in ("board", "now"):
        desk.go(view)
        expect(desk.page.get_by_role("link", name="Upload to archive")).to_have_count(1)
    expect(unanswered(desk)).to_have_text("1")


@pytest.mark.usefixtures("death")
def test_cancelling_asks_before_it_does(office: Office, lead: Desk, seat: Seat) -> None:
    """A lead cancels what died in their groups, with a word; nobody else is offered it."""
    worker = seat("1001", "Ann Li")
    card = worker.card("Render reel 9", "dead")
    expect(card.get_by_role("button", name="Dismiss")).to_be_visible()
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
    lead.does("Cancel", "Render reel 9")
    lead.page.get_by_role("button", name="Keep it").click()
    expect(lead.page.get_by_role("dialog")).to_have_count(0)
    assert office.ask("Find", id="dead-1")["status"] == "shutdown"
    lead.does("Cancel", "Render reel 9")
    says(lead.page, "Nobody needs it", "Cancel the task")
    for desk in (lead, worker):
        expect(desk.card("Render reel 9", "done")).to_contain_text("Nobody needs it")
    expect(lead.page.get_by_role("button", name="Undo")).to_have_count(0)


def test_any_task_is_cancelled_on_its_page(office: Office, lead: Desk) -> None:
    """Where somebody has it they are told; its card does not offer it among the first acts."""
    card = lead.card("Trailer, 30 s", "claimed")
    expect(card.get_by_role("button", name="Release")).to_be_visible()
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
    lead.go("task/cut-2")
    expect(lead.page.locator(".taskhead .badge")).to_have_text("Claimed")
    lead.page.keyboard.press("e")
    says(lead.page, "", "Cancel the task")
    expect(lead.page.locator(".taskhead .badge")).to_have_text("Cancelled")
    expect(lead.page.locator(".task .acts")).to_have_count(0)
    # Undo would assign a task that is over.
    expect(lead.page.get_by_role("button", name="Undo")).to_have_count(0)


@pytest.mark.usefixtures("death")
def test_a_refusal_is_said_in_the_reader_s_language(office: Office, lead: Desk) -> None:
    """What somebody else has ended meanwhile is not cancelled twice, and the dialog says why."""
    lead.does("Cancel", "Render reel 9")
    box = lead.page.get_by_role("dialog")
    box.get_by_role("textbox").fill("I have typed this")
    office.ask("Cancel", ids=["dead-1"])
    box.get_by_role("button", name="Cancel the task").click()
    expect(box.get_by_role("alert")).to_have_text(
        "That cannot be done: the task is Cancelled by now."
    )
    expect(box.get_by_role("textbox")).to_have_value("I have typed this")
    box.get_by_role("button", name="Keep it").click()


@pytest.mark.usefixtures("death")
def test_rows_and_keys_answer_too(lead: Desk) -> None:
    lead.go("list?state=dead")
    row = lead.page.locator(".listrow").filter(has_text="Render reel 9")
    row.get_by_role("button", name="Acknowledge").click()
    says(lead.page, "seen", "Acknowledge")
    expect(row).to_contain_text("Seen by 赵组长")
    row.get_by_role("button", name="Dismiss").click()
    # The list finds all there is.
    expect(row).to_contain_text("Dismissed by 赵组长")
    lead.go("board")
    card = lead.card("Upload to archive", "dead")
    card.get_by_role("link").first.focus()
    lead.page.keyboard.press("k")
    says(lead.page, "", "Acknowledge")
    expect(card).to_contain_text("Seen by")
    card.get_by_role("link").first.focus()
    lead.page.keyboard.press("d")
    expect(card).to_have_count(0)


def a_service_dies(office: Office) -> None:
    # By a connection of its own: another's beats would bring it back.
    with taskdash.connect(office.daemon.url) as dash:
        about = {"url": DEAD_URL, "name": "Gone", "group_id": "cut"}
        dash.ask("RegisterService", **about, heartbeat_timeout=0.5)
    office.daemon.wait_for("service died")


def test_a_service_that_is_not_coming_back_is_retired(
    office: Office, lead: Desk, seat: Seat
) -> None:
    """A dead one is answered like a task; retired, after asking, it is gone on each page."""
    a_service_dies(office)
    worker, wall = seat("1001", "Ann Li", view="services"), seat("1002", "王小明", view="now")
    line = wall.page.locator(".lines li").filter(has_text="Gone")
    expect(line).to_have_count(1)
    lead.go("services")
    rows = [desk.page.locator(".services > li").filter(has_text="Gone") for desk in (lead, worker)]
    expect(rows[0].get_by_role("button", name="Retire")).to_be_visible()
    expect(rows[1].get_by_role("button", name="Retire")).to_have_count(0)
    rows[1].get_by_role("button", name="Acknowledge").click()
    says(worker.page, WORD, "Acknowledge")
    for row in rows:
        expect(row).to_contain_text(re.compile(f"Seen by Ann Li .+ · {WORD}"))
    expect(line).to_contain_text("Ann Li")
    rows[1].get_by_role("button", name="Dismiss").click()
    expect(rows[0]).to_contain_text(re.compile(f"Dismissed by Ann Li .* · {WORD}"))
    expect(line).to_have_count(0)
    rows[0].get_by_role("button", name="Retire").click()
    box = lead.page.get_by_role("dialog")
    expect(box).to_contain_text("Retire “Gone”?")
    box.get_by_role("button", name="Cancel").click()
    expect(rows[0]).to_have_count(1)
    rows[0].get_by_role("button", name="Retire").click()
    box.get_by_role("button", name="Retire").click()
    for row in rows:
        expect(row).to_have_count(0)
    assert DEAD_URL not in json.dumps(office.ask("Services"))


@pytest.mark.usefixtures("death")
def test_the_buttons_are_chinese_too(lead: Desk) -> None:
    lead.page.get_by_role("combobox", name="Language").select_option(label="中文")
    card = lead.card("Render reel 9", "dead")
    for name in ("确认", "忽略", "取消"):
        said = card.get_by_role("button", name=f"{name}：Render reel 9", exact=True)
        expect(said).to_have_text(name)


@pytest.mark.usefixtures("death")
def test_answers_keep_nobody_out(office: Office, lead: Desk) -> None:
    """axe-core finds nothing in the dialogs, nor in what was answered, light or dark."""
    office.ask("Acknowledge", id="dead-1", user="1004", word=WORD)
    a_service_dies(office)
    found: list[Any] = []
    for theme in ("light", "dark"):
        lead.page.evaluate("theme => { localStorage.theme = theme }", theme)
        lead.page.reload()
        for view in ("board?hidden=1", "list?state=dead", "task/dead-1", "services", "now"):
            lead.go(view)
            expect(lead.page.locator("#main > *").first).to_be_attached()
            expect(lead.page.locator("#main")).not_to_contain_text("Reading …")
            found += [(lead.page.url, *one) for one in axe_says(lead.page)]
        lead.go("board")
        for act in ("Acknowledge", "Cancel"):
            lead.go("task/dead-1" if act == "Cancel" else "task/old-1")
            lead.page.locator(".acts").get_by_role("button", name=act).click()
            expect(lead.page.get_by_role("dialog")).to_be_visible()
            found += [(lead.page.url, *one) for one in axe_says(lead.page)]
            lead.page.keyboard.press("Escape")
    assert found == []
