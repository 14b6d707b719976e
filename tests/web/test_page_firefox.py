"""The board in Debian's Firefox: a day in the office, and what another browser may do otherwise."""

import csv
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from firefox import Firefox
from office import PASSWORD, Office
from pictures import VIEWS
from window import SIZE, Window

import taskdash

TOO_WIDE = """[document.documentElement, document.querySelector('#main')].some(
    (one) => one.scrollWidth > innerWidth)"""
LARGE = 1234567890123456789
BRIGHTNESS = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/))"


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with Firefox(tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


@pytest.fixture
def seat(firefox: Firefox) -> Iterator[Callable[..., Window]]:
    """Give people windows of their own, who sign in by the form; each console must stay quiet."""
    windows: list[Window] = []

    def take(office: Office, user: str, name: str, **more: Any) -> Window:
        window = Window(firefox, office.url, **more)
        windows.append(window)
        signs_in(window, user, name)
        return window

    yield take
    complaints = [said for window in windows for said in window.complaints()]
    for window in windows:
        window.close()
    assert complaints == []


def signs_in(window: Window, user: str, name: str, password: str = "") -> None:
    window.sees("dialog.signin form")
    window.fills("dialog.signin [name=user]", user)
    window.fills("dialog.signin [name=name]", name)
    if password:
        window.presses("dialog.signin summary")
        window.fills("dialog.signin [name=password]", password)
    window.types("Enter")
    window.misses("dialog.signin")
    window.sees("nav a[aria-current]")


def card(task: str, column: str = "") -> str:
    return f"{f'.column.{column} ' if column else ''}.card[data-id='{task}']"


def test_a_day_in_the_office(
    open_office: Callable[..., Office], seat: Callable[..., Window]
) -> None:
    """By mouse, by keyboard and by a drag; with a second person, and a service that dies."""
    office = open_office(heartbeat_timeout=3)
    office.people()
    ann, lead = seat(office, "1001", "Ann Li"), seat(office, "1004", "赵组长")
    ann.sees("nav a[aria-current=true]", "Mine")
    ann.presses("nav a", "Work")
    lead.goes(f"{office.url}/#/board")
    for number, name in enumerate(["Trailer", "开场剪辑", "Mix"]):
        office.task(f"t{number}", name, group_id="cut")
    for window in (ann, lead):
        window.sees(card("t1", "free"), "开场剪辑")

    # By mouse.
    ann.presses(f"{card('t0')} button", "Claim")
    ann.sees("#toasts", "Yours: Trailer")
    lead.sees(card("t0", "claimed"), "Ann Li")
    ann.presses(f"{card('t0', 'claimed')} button", "Begin")
    ann.presses(f"{card('t0', 'editing')} button", "Submit")
    ann.fills("dialog [name=word]", "please look at 00:41")
    ann.presses("dialog button.primary")
    lead.presses(f"{card('t0', 'review')} button", "Approve")
    ann.sees(card("t0", "done"))

    # By keyboard, from card to card.
    ann.focuses(f"{card('t2')} a")
    ann.types("ArrowDown")
    ann.sees(f"{card('t1')} a:focus")
    ann.types("y")
    ann.sees("#toasts", "Copied: t1")
    ann.types("c")
    ann.sees(card("t1", "claimed"))
    ann.focuses(f"{card('t1')} a")
    ann.types("b")
    ann.sees(card("t1", "editing"))
    ann.focuses(f"{card('t1')} a")
    ann.types("s")
    ann.sees("dialog :focus")
    ann.types("Control+Enter")
    ann.sees(card("t1", "review"))

    # By a drag.
    ann.drags(card("t2"), ".column.claimed .cards")
    lead.sees(card("t2", "claimed"), "Ann Li")

    # A service brings work, and dies; somebody says that they have seen it.
    with taskdash.connect(office.daemon.url) as service:
        url = "http://10.0.0.7:8080"
        service.ask("RegisterService", url=url, name="Cutter", group_id="cut")
        reel = {"id": "run", "name": "Render reel", "group_id": "cut", "progress": "3/7"}
        service.ask("Register", status="running", url=url, **reel)
        ann.sees(f"{card('run', 'live')} .share", "3/7")
    lead.presses(f"{card('run', 'dead')} button", "Acknowledge")
    lead.fills("dialog [name=word]", "it comes back at noon")
    lead.presses("dialog button.primary")
    ann.sees(f"{card('run', 'dead')} .answered", "Seen by 赵组长")

    # A reload keeps the sign-in; signed out is signed out.
    ann.reload()
    ann.sees("#bar .me", "Ann Li")
    ann.sees(card("t2", "claimed"))
    ann.presses("#bar .me button")
    ann.presses("dialog button.primary")
    ann.sees("dialog.signin form")
    ann.reload()
    ann.fills("dialog.signin [name=user]", "１００２")
    ann.presses("dialog.signin [name=name]")
    assert ann.get("document.querySelector('[name=user]').value") == "1002"


@pytest.fixture(scope="module")
def root(firefox: Firefox, furnished: Office) -> Iterator[Window]:
    """Seat the administrator in a window, for all tests in which nobody else acts."""
    window = Window(firefox, f"{furnished.url}/#/board")
    signs_in(window, "1005", "Root", PASSWORD)
    yield window
    window.close()


@pytest.fixture
def admin(root: Window, furnished: Office) -> Iterator[Window]:
    """Give that window with the board in it; its console must stay quiet."""
    root.goes(f"{furnished.url}/#/board")
    root.sees(card("cut-5", "free"))
    yield root
    assert root.complaints() == []


def test_what_a_page_complains_of_is_heard(admin: Window, furnished: Office) -> None:
    """Without it no other test here would say that there was nothing."""
    admin.get("console.error('in the console')")
    admin.get("void setTimeout(() => { throw new Error('on its own'); })")
    admin.get("void (new Image().src = 'http://127.0.0.9/')")
    for part in ("in the console", "on its own", "Content-Security-Policy"):
        assert part in admin.firefox.event("log.entryAdded", part)["text"]


def test_a_search_takes_what_was_composed(admin: Window) -> None:
    """Not what stands there on the way; and Back undoes what a filter has chosen."""
    shown = "() => found('.card .name', '').map((one) => one.textContent).join()"
    admin.types("/")
    admin.sees("[type=search]:focus")
    admin.composes("j", "jian", "剪辑")
    admin.until(f"() => ({shown})() === '开场剪辑'")
    assert admin.get("document.querySelector('[type=search]').value") == "剪辑"
    assert admin.get("decodeURIComponent(location.hash)") == "#/board?q=剪辑"
    admin.presses(".filters button", "Clear")
    admin.sees(card("cut-5", "free"))
    admin.presses(".filters button", "Unassigned")
    admin.misses(card("cut-1"))
    admin.sees(card("cut-5", "free"))
    admin.back()
    admin.sees(card("cut-1"))
    admin.back()
    admin.until(f"() => ({shown})() === '开场剪辑'")
    admin.fills(".filters input.short", "urgent")
    admin.types("Enter")
    admin.misses(".card")
    assert "label=urgent" in admin.get("location.hash")


def test_cards_and_places_open_in_another_tab(admin: Window) -> None:
    """By the middle button, beside the words of the card's link; and by Ctrl."""
    tab = admin.opens(card("cut-5"), button=1)
    tab.sees("h1", "Poster")
    tab.leaves()
    tab = admin.opens("nav a[href*=people]", key="Control")
    tab.sees("h1", "People")
    tab.leaves()
    assert admin.get("location.hash") == "#/board"


def test_a_page_that_was_left_goes_on_after_back(admin: Window, furnished: Office) -> None:
    """The browser may have kept it, without its connection."""
    admin.goes(f"{furnished.url}/health")
    admin.back()
    admin.sees(card("cut-5", "free"))
    furnished.task("came", "Came meanwhile")
    admin.sees(card("came", "free"), "Came meanwhile")


def test_the_page_comes_back_after_a_restart(
    open_office: Callable[..., Office], seat: Callable[..., Window]
) -> None:
    office = open_office()
    office.people()
    ann = seat(office, "1001", "Ann Li")
    ann.goes(f"{office.url}/#/board")
    office.task("t0", "Trailer", group_id="cut")
    ann.sees(card("t0", "free"))
    office.close()
    ann.sees("#offline", "Connection lost")
    again = open_office(port=office.port)
    ann.misses("#offline")
    again.task("t1", "Poster", group_id="cut")
    ann.presses(f"{card('t1', 'free')} button", "Claim")
    ann.sees(card("t1", "claimed"), "Ann Li")
    # The browser itself says this much of each attempt.
    assert all("establish a connection" in said for said in ann.complaints())


def test_a_list_can_be_saved(admin: Window, furnished: Office) -> None:
    """With all digits of an integer of 64 bits, as the row has them."""
    furnished.task("digits", "64 bits", progress=LARGE)
    admin.goes(f"{furnished.url}/#/list?q=64")
    admin.sees(".said p", "1 task")
    admin.sees(".listrow", str(LARGE))
    admin.presses("button", "Download")
    saved = admin.firefox.event("browsingContext.downloadEnd")
    assert saved["status"] == "complete"
    with Path(saved["filepath"]).open(encoding="utf-8-sig", newline="") as file:
        rows = [(one["name"], one["progress"]) for one in csv.DictReader(file)]
    assert rows == [("64 bits", str(LARGE))]


@pytest.fixture(params=[("light", "en", "Claim"), ("dark", "zh", "领取")], ids=["light", "dark"])
def looks(request: pytest.FixtureRequest, admin: Window) -> Iterator[str]:
    """Let the reader's system have a theme, and the page speak a language; gives the theme."""
    theme, language, word = request.param
    admin.firefox.prefers(theme)
    admin.get(f"localStorage.language = '{language}'")
    admin.reload()
    admin.sees(f"{card('cut-5')} button", word)
    yield theme
    admin.firefox.prefers("light")
    admin.resize(*SIZE)
    admin.get("localStorage.removeItem('language')")
    admin.reload()
    admin.sees("nav a", "Mine")


def test_each_view_fits_a_desk_and_a_phone(admin: Window, furnished: Office, looks: str) -> None:
    """In the colours that the reader's system has, and in each language."""
    assert admin.get("matchMedia('(prefers-color-scheme: dark)').matches") == (looks == "dark")
    assert (admin.get(BRIGHTNESS) < 128) == (looks == "dark")
    found = []
    for width, view in product((SIZE[0], 360), VIEWS.values()):
        admin.resize(width, 740)
        admin.goes(f"{furnished.url}/#/{view}")
        admin.sees(f"body[data-view={view.partition('/')[0]}] #main > *")
        admin.until("() => !/Reading …|读取中/.test(document.querySelector('#main').textContent)")
        if admin.get(TOO_WIDE):
            found.append((view, width))
    assert found == []
