"""The board in a real browser: a day in the office, and a sign-in that was somebody else's."""

import time
from collections.abc import Callable

import pytest
from desk import Desk
from office import FREE, PEOPLE, Office, furnish
from playwright.sync_api import Browser, expect
from relay import Relay

import taskdash


@pytest.fixture
def office(open_office: Callable[..., Office]) -> Office:
    """Open an office in which nobody has been, and deaths are soon told."""
    return open_office(heartbeat_timeout=3)


def test_a_day_in_the_office(office: Office, seat: Callable[..., Desk]) -> None:
    """Two services, five people; claims, a race, a rejection, a death and a recovery."""
    office.ask("SetPerson", user="1005", **PEOPLE["1005"])
    # Morning: people come, and get their groups.
    ann = seat("1001", "Ann Li", by_form=True)
    ann.told("Welcome, Ann Li!")
    wang = seat("1002", "王小明", by_form=True)
    expect(ann.page.locator(".welcome")).to_contain_text("No tasks yet")
    root = seat("1005", "Root", by_form=True)
    root.go("people")
    for user in ("Ann Li", "王小明"):
        row = root.page.locator(".people li", has_text=user)
        row.get_by_role("button", name="Edit").click()
        root.page.fill("dialog [name=groups]", "cut")
        root.page.click("dialog button.primary")
        expect(root.page.locator(".people li", has_text=user)).to_contain_text("worker · cut")
    office.ask("SetPerson", user="1004", name="赵组长", role="lead", groups=["cut"])
    office.ask("SetPerson", user="1003", name="Eve Stone", groups=["paint"])
    lead, eve = seat("1004", "赵组长"), seat("1003", "Eve Stone")

    # Two services hand out work: one by a connection, one by HTTP.
    cutter = taskdash.connect(office.daemon.url)
    cutter.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter", group_id="cut")
    token = office.token("renderer", "--role", "service", "--group", "cut")
    renderer = {"url": "http://10.0.0.8:8080", "name": "Renderer", "group_id": "cut"}
    assert office.post("RegisterService", renderer, authorization=f"Bearer {token}")[0] == 200
    for number, name in enumerate(["Trailer", "Poster", "Mix"]):
        cutter.ask("Register", id=f"t{number}", name=name, status=FREE, group_id="cut")
    for desk in (ann, wang, lead):
        expect(desk.card("Trailer", "free")).to_be_visible()
    expect(eve.card("Trailer")).to_have_count(0)

    # A claim is seen by everybody; of two who press at once, one is told who won.
    ann.does("Claim", "Trailer")
    ann.told("Yours: Trailer")
    expect(wang.card("Trailer", "claimed")).to_contain_text("Ann Li")
    at = time.time() * 1000 + 700
    press = """at => setTimeout(() => [...document.querySelectorAll('.card')]
        .find(card => card.textContent.includes('Poster')).querySelector('button').click(),
        at - Date.now())"""
    for desk in (ann, wang):
        desk.page.evaluate(press, at)
    expect(lead.card("Poster", "claimed")).to_be_visible()
    won, lost = (ann, wang) if "Ann" in lead.card("Poster").inner_text() else (wang, ann)
    won.told("Yours: Poster")
    lost.told(f"Too late: {PEOPLE[won.user]['name']} ({won.user}) has it.")

    # Work: by the keyboard, by dragging, with a rejection and its reason.
    ann.card("Trailer").locator("a.name").focus()
    ann.page.keyboard.press("b")
    expect(lead.card("Trailer", "editing")).to_be_visible()
    ann.card("Trailer").drag_to(ann.page.locator(".column.review"))
    ann.page.fill("dialog [name=word]", "please look at 00:41")
    ann.page.click("dialog button.primary")
    expect(lead.card("Trailer", "review")).to_contain_text("please look at 00:41")
    lead.does("Reject", "Trailer")
    lead.page.fill("dialog [name=reason]", "too dark <b>here</b>")
    lead.page.click("dialog button.primary")
    ann.told("Back to you, “Trailer”: too dark <b>here</b>")
    expect(ann.card("Trailer", "editing")).to_contain_text("too dark <b>here</b>")
    ann.card("Trailer").locator("a.name").focus()
    ann.page.keyboard.press("s")
    ann.page.click("dialog button.primary")
    lead.does("Approve", "Trailer")
    expect(wang.card("Trailer", "done")).to_be_visible()
    lead.does("Assign", "Mix")
    lead.page.select_option("dialog [name=to]", "1002")
    lead.page.fill("dialog [name=word]", "you know it best")
    lead.page.click("dialog button.primary")
    wang.told("You were given “Mix”: you know it best")

    # A claim whose time runs out is free again, and whoever had it is told.
    ann.go("board")
    cutter.ask("Register", id="short", name="Short", status=FREE, group_id="cut")
    office.ask("Claim", id="short", user="1001", limit=1)
    ann.told("“Short” is free again: the time for it ran out")
    expect(wang.card("Short", "free")).to_be_visible()

    # The history tells all of it.
    ann.go("task/t0")
    expect(ann.page.locator(".history")).to_contain_text("too dark <b>here</b>")
    expect(ann.page.locator(".taskhead")).to_contain_text("Finished")

    # A service dies, and its task with it; it is one line on the wall. Then it comes back.
    cutter.ask(
        "Register",
        id="run",
        name="Render reel",
        status="running",
        group_id="cut",
        url="http://10.0.0.7:8080",
        progress="3/7",
    )
    expect(wang.card("Render reel", "live").locator(".progress")).to_be_visible()
    lead.go("now")
    root.go("services")
    cutter.close()
    expect(wang.card("Render reel", "dead")).to_be_visible()
    expect(root.page.locator(".services li", has_text="Cutter")).to_contain_text("dead")
    expect(lead.page.locator(".lines").first).to_contain_text("Cutter")
    expect(lead.page.locator(".lines").first).not_to_contain_text("Render reel")
    with taskdash.connect(office.daemon.url) as again:
        again.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter", group_id="cut")
        again.ask("Update", id="run", status="running")
        expect(wang.card("Render reel", "live")).to_be_visible()
        expect(root.page.locator(".services li", has_text="Cutter")).to_contain_text("alive")
        expect(lead.page.locator(".lines").first).not_to_contain_text("Cutter")

    # Evening: wang is ill; all that he holds goes to ann.
    root.go("people")
    row = root.page.locator(".people li", has_text="王小明")
    row.get_by_role("button", name="Hand over").click()
    root.page.get_by_role("checkbox", name="Ann Li").check()
    root.page.click("dialog button.primary")
    expect(root.page.locator("dialog")).to_contain_text("t2 → Ann Li")
    root.page.click("dialog button.primary")
    expect(wang.card("Mix")).to_contain_text("Ann Li")
    # Signed out everywhere means: the board closes.
    office.ask("Logout", user="1001", everywhere=True)
    expect(ann.page.locator("dialog.signin")).to_be_visible()


def test_a_sign_in_from_elsewhere_can_be_backed_out(
    office: Office, seat: Callable[..., Desk], browser: Browser
) -> None:
    """For five seconds it can, and nothing of it is kept; then the sign-in goes on by itself."""
    furnish(office)
    eve = seat("1003", "Eve Stone")
    eve.does("Claim", "背景绘制")
    eve.told("Yours")
    # Come from a loopback address that is not that of the last sign-in.
    relay = Relay(office.port, source="127.0.0.9")
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.clock.install()
    page.goto(f"http://{relay.address}")
    page.get_by_role("textbox", name="Employee number").fill("1003")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("was last signed in from 127.0.0.1")
    expect(page.get_by_role("alertdialog")).to_contain_text("paint-2")
    page.get_by_role("button", name="That is not me").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert office.ask("Audit", kinds=["signed in"], who="127.0.0.9")["entries"] == []
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.clock.fast_forward(6_000)
    expect(page.locator("nav")).to_be_visible()
    context.close()
    relay.close()
