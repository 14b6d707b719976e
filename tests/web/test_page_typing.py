"""Whoever types, selects or unfolds something while others work loses nothing of it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from desk import Desk, Storm
from office import FREE, Office
from playwright.sync_api import expect

GROUPS = (["cut"], ["cut", "paint"], ["cut", "sound"])

# What an input method shows, step by step, before somebody chooses the word.
COMPOSED = ("j", "ji", "jia", "jian", "jian ji")


def changes_an_account(dash: Any, number: int) -> None:
    dash.ask("SetPerson", user="1002", name=f"王小明 {number % 10}", groups=GROUPS[number % 3])


def changes_a_task(dash: Any, number: int) -> None:
    dash.ask("Update", id="cut-5", name=f"Poster {number}", own=False)


def progresses(dash: Any, number: int) -> None:
    dash.ask("Update", id="run-1", progress=f"{number % 100}%", own=False)


def comes_and_goes(dash: Any, number: int) -> None:
    status = FREE if number % 2 else "finish"
    dash.ask("Register", id=f"comes-{number % 7}", name="Comes and goes", status=status)


@pytest.fixture
def storm(office: Office) -> Iterator[Storm]:
    """Let accounts and tasks change, twenty times a second."""
    changes = (changes_an_account, changes_a_task, progresses, comes_and_goes)
    with Storm(office, *changes).blowing() as storm:
        yield storm


@pytest.fixture
def admin(seat: Callable[..., Desk]) -> Desk:
    return seat("1005", "Root")


@pytest.mark.parametrize("view", ["board", "list"])
@pytest.mark.usefixtures("storm")
def test_an_input_method_is_left_alone_and_nothing_is_searched_meanwhile(
    admin: Desk, view: str
) -> None:
    admin.go(view)
    asked: list[str] = []
    admin.page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: asked.append(str(frame))),
    )
    admin.page.reload()
    expect(admin.page.locator(f"body[data-view={view}]")).to_be_visible()
    admin.search.focus()
    admin.page.evaluate(
        """() => {
            window.field = document.activeElement;
            window.ended = [];
            window.composed = [];
            field.addEventListener('compositionend', (event) => ended.push(event.data));
        }"""
    )
    for step in COMPOSED:
        admin.composes(step)
        assert admin.search.input_value() == step
        # The page is painted with changes of others between two keys.
        painted(admin, 3)
    # Longer than the pause after which a search begins.
    waited(admin, 400)
    assert admin.search.input_value() == COMPOSED[-1]
    assert admin.page.evaluate("[field.isConnected, ended.length]") == [True, 0]
    assert "q=" not in admin.page.url
    assert not [frame for frame in asked if '"contains"' in frame]
    admin.chooses("剪辑")
    found = admin.page.locator(".card .name, .listrow a")
    expect(found).to_have_text(["开场剪辑"])
    assert admin.search.input_value() == "剪辑"
    searched = [frame for frame in asked if '"contains"' in frame]
    assert searched
    assert not [frame for frame in searched if "ji" in frame]


def painted(desk: Desk, frames: int) -> None:
    """Wait until the page was painted some times."""
    desk.page.evaluate(
        """(frames) => new Promise((done) => {
            const next = () => (frames-- > 0 ? requestAnimationFrame(next) : done());
            next();
        })""",
        frames,
    )


def waited(desk: Desk, ms: int) -> None:
    """Let a time pass on the page, as somebody who looks for a word among many."""
    desk.page.evaluate("(ms) => new Promise((done) => setTimeout(done, ms))", ms)


def test_no_letter_is_lost_while_others_work(admin: Desk, storm: Storm) -> None:
    text = "the quick brown fox jumps over"
    for view in ("board", "list"):
        admin.go(view)
        expect(admin.search).to_be_visible()
        admin.search.focus()
        before = storm.count
        # A pause that is now and then longer than that after which a search begins.
        for n, letter in enumerate(text):
            admin.page.keyboard.press("Space" if letter == " " else letter)
            waited(admin, 160 if n % 5 == 0 else 5)
        assert storm.count > before
        expect(admin.search).to_have_value(text)
        expect(admin.search).to_be_focused()
        # What is searched is what stands there.
        expect(admin.page).to_have_url(re.compile(f"q={text.replace(' ', '.')}$"))
        admin.search.fill("")


def test_letters_typed_while_a_search_is_painted_stay(admin: Desk) -> None:
    """Between the pause after which a search begins and its painting somebody types on."""
    admin.page.evaluate(
        """() => {
            const field = document.querySelector('input[type=search]');
            const pushed = history.pushState;
            // The very moment in which the search has begun and is not painted yet.
            history.pushState = function (...args) {
                pushed.apply(this, args);
                history.pushState = pushed;
                field.value += 'ster';
                field.dispatchEvent(new InputEvent('input', {bubbles: true}));
            };
        }"""
    )
    admin.search.fill("po")
    admin.search.focus()
    expect(admin.page.locator(".card .name")).to_have_text(["Poster"])
    expect(admin.search).to_have_value("poster")
    admin.page.wait_for_function("() => location.hash.endsWith('q=poster')")


def test_last_letters_go_along_to_another_view(admin: Desk) -> None:
    expect(admin.card("Poster")).to_be_visible()
    admin.search.press_sequentially("matte")
    admin.page.get_by_role("link", name="List").click()
    expect(admin.page.locator(".listrow a")).to_have_text(["Matte, shot 9"])
    expect(admin.search).to_have_value("matte")


def test_clear_and_back_are_seen_in_the_search(admin: Desk) -> None:
    """What is typed stays, but not against what is wanted."""
    expect(admin.card("Poster")).to_be_visible()
    admin.search.fill("matte")
    expect(admin.card("Poster")).to_have_count(0)
    admin.page.get_by_role("button", name="Clear").click()
    expect(admin.search).to_have_value("")
    expect(admin.card("Poster")).to_be_visible()
    admin.page.go_back()
    expect(admin.search).to_have_value("matte")
    admin.search.focus()
    admin.page.go_back()
    expect(admin.search).to_have_value("")
    expect(admin.card("Poster")).to_be_visible()


@pytest.mark.usefixtures("storm")
def test_a_form_keeps_what_is_typed_composed_and_chosen(admin: Desk, storm: Storm) -> None:
    admin.page.locator(".card[data-id=cut-5]").get_by_role("button", name="Assign").click()
    form = admin.page.get_by_role("dialog")
    form.get_by_role("combobox", name="To").select_option("1001")
    note = form.get_by_role("textbox", name="Note")
    note.focus()
    for step in COMPOSED:
        admin.composes(step)
        painted(admin, 2)
    expect(note).to_have_value(COMPOSED[-1])
    admin.chooses("剪辑")
    admin.page.keyboard.type(" by noon")
    before = storm.count
    admin.page.wait_for_function("() => new Promise((done) => setTimeout(() => done(true), 300))")
    assert storm.count > before
    expect(note).to_have_value("剪辑 by noon")
    expect(note).to_be_focused()
    expect(form.get_by_role("combobox", name="To")).to_have_value("1001")
    admin.page.keyboard.press("Control+Enter")
    expect(form).to_have_count(0)
    expect(admin.page.locator(".column.claimed .card[data-id=cut-5]")).to_contain_text(
        "剪辑 by noon"
    )


def test_selection_focus_and_what_is_unfolded_stay(
    office: Office, admin: Desk, storm: Storm
) -> None:
    """Each stays the very same element, and the page goes on around it."""
    expect(admin.page.locator(".card[data-id=run-3] .id")).to_be_attached()
    admin.page.locator(".card[data-id=cut-6] a.name").focus()
    admin.page.evaluate(
        """() => {
            window.focused = document.activeElement;
            const id = document.querySelector('.card[data-id=run-3] .id').firstChild;
            getSelection().setBaseAndExtent(id, 0, id, 3);
            window.choice = document.querySelector('select[aria-label=Group]');
        }"""
    )
    before = storm.count
    admin.page.wait_for_function(
        "(from) => document.querySelector('.card[data-id=cut-5] .name').textContent !== from",
        arg=admin.page.locator(".card[data-id=cut-5] .name").text_content(),
    )
    # New cards have come above, and others have gone.
    while storm.count < before + 40:
        painted(admin, 5)
    assert admin.page.evaluate(
        "[document.activeElement === focused, String(getSelection()), choice.isConnected]"
    ) == [True, "run", True]
    admin.go("task/cut-4")
    expect(admin.page.locator("details").first).to_be_attached()
    unfolded = admin.page.evaluate(
        """() => {
            window.details = document.querySelector('details');
            details.querySelector('summary').click();
            return details.open;
        }"""
    )
    office.ask("Update", id="cut-4", name="Changed meanwhile", own=False)
    expect(admin.page.get_by_role("heading", name="Changed meanwhile")).to_be_visible()
    before = storm.count
    while storm.count < before + 20:
        painted(admin, 5)
    assert admin.page.evaluate("[details.isConnected, details.open]") == [True, unfolded]
