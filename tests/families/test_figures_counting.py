"""The figures of a whole daemon: what was there before is counted, whatever happens meanwhile."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import CLAIMED, FREE, OK, admin, known, office, task
from test_people_attacks import BOSS, begin, http, person_of

from taskdash_protocol.errors import StorageError
from taskdashd.core.clock import Clock
from taskdashd.domain.access import Identity, Sight
from taskdashd.families.figures import counting
from taskdashd.families.figures.counting import Audience, Counting
from taskdashd.families.figures.followers import KIND, FiguresSection
from taskdashd.families.figures.rules.day import BUCKET_S, state_of
from taskdashd.families.figures.rules.tally import Tally
from taskdashd.store.dialect.sqlite.engine import SqliteEngine
from taskdashd.store.snapshot import Snapshot
from taskdashd.testing import World

PAINTERS = Identity("p", "reader", frozenset({"paint"}), key="p")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere", with_board=True)
    yield world
    world.close()


def is_right(world: World, identity: Identity) -> dict[str, Any]:
    """Compare what somebody is told with a count of all tasks, and give it."""
    told: dict[str, Any] = http(world, identity, "Figures")
    tasks = admin(world).ask("Query", limit=1000)["tasks"]
    seen = [one for one in tasks if identity.sees_task(one)]
    assert told["states"] == Counter(state_of(one["status"]) for one in seen)
    for person, load in told["load"].items():
        theirs = [one for one in tasks if one["user"] == person and one["status"] == CLAIMED]
        shown = [
            one for one in theirs if identity.person == person or identity.sees(one["group_id"])
        ]
        assert load.get(CLAIMED, 0) == len(shown), (identity.name, person)
    return told


def test_an_account_is_counted_from_before_it_was_made(world: World) -> None:
    """Services give tasks to people who have not signed in yet."""
    for number in range(3):
        task(world, f"t{number}", group_id="far", status=CLAIMED, user="zoe")
    task(world, "u", group_id="cut", status=CLAIMED, user="zoe", checker="zoe")
    assert is_right(world, BOSS)["load"] == {}
    known(world, zoe={"groups": ["cut"]})
    assert is_right(world, BOSS)["load"] == {"zoe": {CLAIMED: 4}}
    assert is_right(world, person_of(world, "zoe"))["states"] == {CLAIMED: 4}


def test_a_group_is_counted_from_before_somebody_was_given_it(world: World) -> None:
    office(world)
    task(world, "t", group_id="new", status=CLAIMED, user="bob")
    task(world, "u", group_id="new")
    assert is_right(world, person_of(world, "ann"))["states"] == {}
    assert admin(world).ask("SetPerson", user="ann", groups=["new"])["errid"] == OK
    told = is_right(world, person_of(world, "ann"))
    assert (told["states"], told["load"]) == ({CLAIMED: 1, FREE: 1}, {"bob": {CLAIMED: 1}})


def test_a_token_for_other_groups_is_told_of_them(world: World) -> None:
    """No account names the group: it is counted when it is asked for."""
    known(world, ann={"groups": ["cut"]})
    task(world, "t", group_id="paint", status=CLAIMED, user="ann")
    assert is_right(world, PAINTERS)["load"] == {"ann": {CLAIMED: 1}}
    task(world, "u", group_id="paint")
    assert is_right(world, PAINTERS)["states"] == {CLAIMED: 1, FREE: 1}


@pytest.mark.parametrize("seed", range(16))
def test_what_is_written_while_it_is_counted_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Commits, folds in slices and counts meet in any order."""
    chance = random.Random(seed)
    monkeypatch.setattr(SqliteEngine, "fold_rows_max", chance.choice([2, 10_000]))
    world = World(
        tmp_path, passwordless="everywhere", with_board=True, fold_lag=chance.choice([1, 3, 1000])
    )
    peers = [admin(world) for _ in range(3)]
    asked = []

    def write() -> None:
        body = {
            "id": f"t{chance.randrange(8)}",
            "name": "n",
            "status": chance.choice([FREE, CLAIMED, "running", "finish"]),
            "group_id": chance.choice(["cut", "paint", "far"]),
            "user": chance.choice(["", "ann", "zoe"]),
            "checker": chance.choice(["", "ann", "zoe"]),
        }
        chance.choice(peers).send("Register", body)

    for _ in range(10):
        write()
    known(world, ann={"groups": ["cut"]})
    for step in range(60):
        write()
        if step in (10, 30):
            user, groups = ("zoe", ["paint"]) if step == 10 else ("ann", ["cut", "far"])
            peers[0].send("SetPerson", {"user": user, "name": user, "groups": groups})
        if chance.random() < 0.2:
            asked.append(begin(world, chance.choice([BOSS, PAINTERS]), "Figures"))
        if chance.random() < 0.2:
            peers[1].send("Query", {"limit": 1})
        world.sweep()
        for _ in range(chance.randrange(3)):
            executor = chance.choice([world.writing, world.reading])
            if executor.jobs:
                executor.step()
                world.sweep()
    world.drain(lambda: chance.random() < 0.5)
    assert all(len(one) == 1 for one in asked)
    for identity in (BOSS, PAINTERS, person_of(world, "ann"), person_of(world, "zoe")):
        is_right(world, identity)
    world.close()


@pytest.mark.parametrize("name", ["open", "count"])
def test_what_cannot_be_counted_is_refused_and_counted_later(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """No wrong figures meanwhile, and no count twice a second on a broken disk."""
    task(world, "t", group_id="paint")
    tries = []

    def fail(*_: Any) -> Any:
        tries.append(1)
        raise StorageError("the disk is broken")

    with monkeypatch.context() as broken:
        broken.setattr(Snapshot, name, fail)
        assert isinstance(http(world, PAINTERS, "Figures"), StorageError)
        late = begin(world, PAINTERS, "Figures")
        task(world, "u", group_id="paint")
        world.advance(4)
    assert (len(tries), late) == (1, [])
    world.advance(2)
    assert late[0]["states"] == is_right(world, PAINTERS)["states"] == {FREE: 2}


def test_rows_are_added_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_ROWS_AT_ONCE", 2)
    for number in range(7):
        task(world, f"t{number}", group_id="paint", user=f"u{number}", checker=f"c{number}")
    known(world, **{f"u{number}": {} for number in range(7)})
    assert is_right(world, PAINTERS)["states"] == {FREE: 7}


def test_of_what_is_not_followed_one_row_is_read(world: World) -> None:
    """A snapshot tells apart what is asked for, and puts the rest together."""
    for number in range(20):
        about = {"status": f"s{number}", "group_id": f"g{number}", "user": f"u{number}"}
        task(world, f"t{number}", **about, checker="ann")
        task(world, f"v{number}", **{**about, "group_id": "cut"})
    admin(world).ask("Query")
    snapshot = Snapshot.open(world.database.engine)
    told_apart = ["cut", "g1"], ["ann", "u1"], ["finish"]
    assert set(snapshot.count(["cut"], ["ann"], told_apart)) == {
        ("cut", "", "", "", 19),
        ("cut", "", "u1", "", 1),
        ("g1", "", "u1", "ann", 1),
        (None, "", "", "ann", 19),
    }


def test_the_day_is_stored_by_quarters_and_forgotten_after_a_day(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", with_board=True)
    office(world)
    task(world, "t")

    def look() -> None:
        assert world.web is not None
        world.web.figures.tick()
        world.web.figures.store()
        world.drain()

    first = int(world.core.clock.wall() // BUCKET_S)
    world.time += BUCKET_S
    look()
    world.time += BUCKET_S
    world.database.full = True
    look()
    world.database.full = False
    world.time += BUCKET_S
    look()
    world.restart()
    told = http(world, BOSS, "Figures")
    known = [one["at"] // BUCKET_S for one in told["day"] if one["tasks"] is not None]
    assert known == [first + 1, first + 2, first + 3], "also that which the disk refused at first"
    world.time += 86400 - BUCKET_S
    look()
    told = http(world, BOSS, "Figures")
    known = [one["at"] // BUCKET_S for one in told["day"] if one["tasks"] is not None]
    assert known == [first + 3, first + 98]
    stored = {one.get("at") for one in world.core.view.records.all(KIND)}
    assert stored == {None, (first + 3) * BUCKET_S, (first + 2) * BUCKET_S, (first + 98) * BUCKET_S}
    world.close()


# What boards are told


class Office:
    """Twenty people, each in a group of their own, and a clock that moves when it is looked at."""

    def __init__(self) -> None:
        self.time = 0.0
        clock = Clock(self.look, lambda: 1_800_000_000.0, lambda: 0.0, self.look)
        self.tally = Tally({}, 0, lambda: ())
        self.audience = Audience(self.tally)
        self.section = FiguresSection(clock, self.tally, self.audience)
        self.people = [
            Identity(f"p{n}", "worker", frozenset({f"g{n}"}), person=f"p{n}") for n in range(20)
        ]

    def look(self) -> float:
        self.time += 0.0005
        return self.time

    def changed(self) -> None:
        self.section._has_changed = True

    def turn(self, *more: Identity) -> Counter[str] | None:
        """Ask for everybody's news once; count what each is told."""
        tell = self.section.news()
        if tell is None:
            return None
        told = {one.name: tell(one) for one in (*self.people, *more)}
        self.puts_off = None in told.values()
        return Counter(name for name, text in told.items() if text)


def test_many_who_see_different_groups_are_told_in_turns_and_each_once() -> None:
    office = Office()
    assert office.turn() is None, "nothing has changed"
    office.changed()
    assert office.turn() == Counter(), "they are not counted yet"
    assert office.audience.is_larger()
    office.audience.counted(office.audience.follow())
    assert office.turn() is None, "five seconds are not over"
    office.time += 5
    turns = []
    while (told := office.turn()) is not None and office.puts_off:
        turns.append(told)
    assert told is not None
    assert 3 < len(turns) < 20
    assert sum([*turns, told], Counter()) == Counter(one.name for one in office.people)
    office.time += 5
    assert office.turn() is None, "nothing has changed since"


def test_who_comes_in_the_middle_of_a_round_is_not_told_for_others() -> None:
    """Whoever is not counted yet holds up nobody, and is told in the next round."""
    office = Office()
    office.turn()
    office.changed()
    office.turn()
    office.audience.counted(office.audience.follow())
    office.time += 5
    stranger = Identity("s", "reader", frozenset({"unknown"}), key="s")
    seen: Counter[str] = Counter()
    for _ in range(30):
        told = office.turn(stranger)
        seen += told or Counter()
    assert seen == Counter(one.name for one in office.people)
    office.audience.counted(office.audience.follow())
    office.time += 5
    for _ in range(30):
        seen += office.turn(stranger) or Counter()
    assert seen["s"] == 1, "the next round has the stranger's, without a change"


def test_what_takes_long_for_one_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office()
    office.people = office.people[:1]
    parts = []

    def walk(*_: Any) -> Any:
        for part in range(10):
            parts.append(part)
            yield
        return {"states": {}}

    monkeypatch.setattr(office.tally, "walk", walk)
    office.changed()
    office.turn()
    office.audience.counted(office.audience.follow())
    office.time += 5
    told = [office.turn() for _ in range(8)]
    assert told.count(Counter()) > 1
    assert [one for one in told if one] == [Counter(["p0"])]
    assert parts == list(range(10))


def test_own_tasks_elsewhere_make_figures_of_ones_own(world: World) -> None:
    """Two who see the same groups are told the same bytes, but for who has tasks elsewhere."""
    office(world)
    task(world, "t", group_id="far", status=CLAIMED, user="bob")
    for name in ("ann", "bob", "lea"):
        http(world, person_of(world, name), "Figures")
    section = FiguresSection(
        world.core.clock, world.core.part(Tally), Audience(world.core.part(Tally))
    )
    section._audience = world.core.part(Counting)._audience
    section._has_changed = True
    tell = section.news()
    assert tell is not None
    ann, bob, lea = (tell(person_of(world, name)) for name in ("ann", "bob", "lea"))
    assert ann is lea
    assert ann is not None
    assert b'"states":{}' in ann
    assert bob is not None
    assert '"states":{"已领取":1}'.encode() in bob
    assert tell(person_of(world, "ann")) == b"", "told once in a round"
    assert Sight(frozenset({"cut", ""}), "ann") in section._told
