"""How columns share a terminal, how names are asked for, and what the live board has counted."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_ctl import listing, loaded, table
from taskdash_ctl.events import those_there
from taskdash_ctl.loaded import Loaded
from taskdash_ctl.names import Names
from taskdash_ctl.show import COLUMNS
from taskdash_protocol.families.people import NAMED_BY_MAX

TEXTS = st.text(st.sampled_from("aL 名了́\u0e31…👩"), max_size=60)
WANTED = st.dictionaries(
    st.sampled_from((*COLUMNS, "at", "kind", "what")), st.integers(0, 400), min_size=1
)


@given(WANTED, st.integers(1, 300))
def test_columns_never_take_more_than_there_is(wanted: dict[str, int], room: int) -> None:
    """The key stays; what is left out or cut is so because the room is used."""
    widths = table.layout(wanted, room)
    assert table.key_of(tuple(wanted)) in widths
    assert list(widths) == [name for name in wanted if name in widths]
    assert sum(widths.values()) + table.GAP * (len(widths) - 1) <= room or len(widths) == 1
    assert max(widths.values()) <= max(room, *widths.values()) <= max(room, *wanted.values())
    full = all(widths.get(name, -1) == size for name, size in wanted.items())
    if sum(wanted.values()) + table.GAP * (len(wanted) - 1) <= room:
        key = table.key_of(tuple(wanted))
        assert full or wanted[key] > room // 2


@pytest.mark.parametrize("room", [80, 120, 200])
def test_a_name_has_a_third_before_prose_has_anything(room: int) -> None:
    """Prose goes first, and a name that is longer than all others does not push them out."""
    wanted = {"id": 9, "name": 200, "status": 8, "user": 14, "last_seen": 7, "description": 99}
    widths = table.layout(wanted, room)
    assert widths["name"] >= int(room * 0.3)
    assert widths["user"] == 14
    assert ("description" in widths) == (room > 80)


@given(TEXTS, st.integers(1, 40))
def test_a_text_is_cut_to_its_columns(text: str, room: int) -> None:
    """Wide characters take two columns and marks none; what fits is left alone."""
    short = table.cut(text, room)
    assert table.width(short) <= room
    assert (short == text) == (table.width(text) <= room)
    assert table.width(table.padded(short, room)) == room


def test_signs_on_a_letter_take_no_column() -> None:
    """Thai vowels and variation selectors have no combining class, and yet no width."""
    assert table.width("กั") == 1
    assert table.width("☂\ufe0f") == 1
    assert table.width("e\u0301王") == 3


def test_a_person_who_is_cut_keeps_the_number() -> None:
    """The number is what the next command takes."""
    assert table.cut_person("Eve Adams (1003)", 13) == "Eve A… (1003)"
    assert table.cut_person("Eve Adams", 5) == "Eve …"
    assert table.width(table.cut_person("王小明明明 (1002)", 12)) <= 12


def test_one_long_id_takes_a_line_and_not_the_column() -> None:
    """Where most ids are long, the column is; it never takes more than half of the room."""
    assert table.of_keys([9, 9, 9, 36], 80) == 9
    assert table.of_keys([36, 36, 9], 80) == 36
    assert table.of_keys([128], 80) == 1
    assert list(table.lines_of([9, 9, 9, 128], 80)) == [1, 1, 1, 3]


class Asked:
    """A daemon that counts what it is asked."""

    def __init__(self, *, known: bool = True) -> None:
        self.ids: list[int] = []
        self._known = known

    def ask(self, _name: str, *, ids: list[str]) -> dict[str, Any]:
        self.ids.append(len(ids))
        if not self._known:
            raise taskdash.BadRequest("no such operation")
        return {"names": {f"n{one}": f"Name {one}" for one in ids}}


def test_names_are_asked_for_many_at_once_and_once() -> None:
    """1,200 people are three requests; who is known, or known to have no account, is none."""
    dash = Asked()
    names = Names(dash)  # type: ignore[arg-type]
    tasks = [{"id": str(n), "user": f"n{n}", "checker": "nobody"} for n in range(1200)]
    names.learn(tasks)
    assert dash.ids == [NAMED_BY_MAX, NAMED_BY_MAX, 200]
    names.learn(tasks)
    assert len(dash.ids) == 3
    assert names.called("n7") == "Name 7 (n7)"
    assert names.called("nobody") == "nobody"
    old = Names(Asked(known=False))  # type: ignore[arg-type]
    old.learn(tasks)
    assert old.called("n7") == "n7"


class Ended:
    """A watch with some events that ends in a fault, and says so again."""

    def __init__(self, count: int) -> None:
        self._events = [taskdash.Event(1, "updated", {"id": str(n)}) for n in range(count)]

    def next(self, _timeout_s: float | None) -> taskdash.Event:
        if not self._events:
            raise taskdash.Conflict("the log was pruned")
        return self._events.pop(0)


def test_what_came_before_the_end_of_a_watch_is_told() -> None:
    """Events that were taken together with the fault are given first."""
    watch = Ended(3)
    assert len(those_there(watch, 2)) == 2  # type: ignore[arg-type]
    assert len(those_there(watch, 2)) == 1  # type: ignore[arg-type]
    with pytest.raises(taskdash.Conflict):
        those_there(watch, 2)  # type: ignore[arg-type]


@pytest.fixture
def few(daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[taskdash.Client]:
    """A daemon with more tasks of a kind than a board loads."""
    parts = {name: (where, 3) for name, (where, _) in loaded.PARTS.items()}
    monkeypatch.setattr(loaded, "PARTS", parts)
    with taskdash.connect(daemon.url) as dash:
        for number in range(5):
            dash.register(f"c-{number}", "n", project_id="few", status="finish")
        dash.register("w-1", "n", project_id="few", status="pending")
        yield dash


def test_a_board_counts_all_though_it_loads_some(few: taskdash.Client) -> None:
    """The daemon's counts, moved by each change; of a selection, what is loaded and a +."""
    all_ = Loaded(few, {})
    watch = few.watch({})
    assert all_.ask()
    assert not all_.ask()
    ended = int(all_.counts()["ended"])
    assert ended >= 5
    assert len(all_.tasks) < ended + 1
    few.update("w-1", status="failed")
    event = watch.next(10)
    assert event is not None
    assert all_.take([event])
    assert all_.counts()["ended"] == str(ended + 1)
    some = Loaded(few, {"project_id": ["few"]})
    some.ask()
    assert some.counts() == {"live": "0", "waiting": "0", "died": "0", "ended": "3+"}
    none = Loaded(few, {"project_id": ["few"], "status": ["pending"]})
    none.ask()
    assert none.counts()["ended"] == "0"


def test_an_event_older_than_what_was_read_changes_nothing(few: taskdash.Client) -> None:
    """What waits in the watch while all is read again must not undo what was read."""
    watch = few.watch({"id": ["w-2"]})
    few.register("w-2", "old", status="pending")
    few.update("w-2", name="new")
    board = Loaded(few, {})
    board.ask()
    first = watch.next(10)
    assert first is not None
    board.take([first])
    assert board.tasks["w-2"]["name"] == "new"


def test_a_list_of_too_many_to_count_says_so(
    few: taskdash.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tasks that are read only to be counted have a bound."""
    monkeypatch.setattr(listing, "_COUNTED_MAX", 3)
    query = listing.Query(few, {"project_id": ["few"]}, "", None, 2)
    listing.screen(query, ("id",), newest_last=False)
    assert "the newest 2 of more than 3 tasks" in capsys.readouterr().err
