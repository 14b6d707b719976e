"""Which tasks may be forgotten, what goes with them, and that the file gives their room back."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import postgres
import pytest

from taskdash_protocol.families.tasks import Query, Register, Update
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment, Task
from taskdashd.store import backup, forgetting, kept
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.forgetting import Place, Tree
from taskdashd.store.removal import Removal

OLD, YOUNG = "2026-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"
BEFORE = "2026-03-01T00:00:00.000Z"
ME = Author(1, "me")


class Log:
    """Writes changes to a database, one after another."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rev = 0
        self.known: dict[str, Task] = {}

    def write(self, task_id: str, at: str = OLD, **fields: Any) -> None:
        self.rev += 1
        old = self.known.get(task_id)
        change: Change
        if old is None:
            fields = {"name": "n", "status": "finish", **fields}
            request = Register.parse({"id": task_id, **fields})
            change = tasks.register(None, request, ME, Moment(self.rev, at))
        else:
            update = Update.parse({"id": task_id, **fields})
            change = tasks.update(old, update, ME, Moment(self.rev, at))
        self.known[task_id] = change.task
        self.database.append([change])

    def fold(self) -> None:
        self.database.fold(self.rev)

    def may_go(self, rows_max: int = 2) -> set[frozenset[str]]:
        """Give what would be forgotten, tree by tree."""
        self.fold()
        found: list[frozenset[str]] = []
        place: Place | None = Place()
        while place is not None:
            look = partial(forgetting.page, BEFORE, place, rows_max)
            page = self.database.look(look)
            found += [frozenset([one]) for one in page.alone]
            for root in page.trees:
                tree = Tree(root)
                while not tree.is_whole:
                    self.database.look(partial(tree.look_on, BEFORE))
                found += [frozenset(tree.ids)] if tree.may_go else []
            place = page.next
        assert len(found) == len(set(found)), "nothing is found twice"
        return set(found)

    def removal(self, ids: Sequence[str], cost_max: int = 1000) -> Removal:
        self.fold()
        return self.database.look(partial(forgetting.removal, ids, cost_max))

    def forget(self, ids: Sequence[str], cost_max: int = 1000) -> None:
        while ids:
            removal = self.removal(ids, cost_max)
            self.database.append([], removals=[removal])
            assert not faults(self.database)
            ids = ids[removal.seen :]

    def revs(self) -> list[int]:
        rows = self.database._writer.execute_sql("SELECT rev FROM change ORDER BY rev")
        return [rev for (rev,) in rows]


def faults(database: Database) -> list[backup.Fault]:
    return backup.check(database.directory, *postgres.standing(database.directory))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    database = Database.open(tmp_path)
    database.start()
    log = Log(database)
    yield log
    log.database.close()


def trees(*groups: str) -> set[frozenset[str]]:
    return {frozenset(group.split()) for group in groups}


def test_only_what_services_ran_and_what_ended_long_ago(log: Log) -> None:
    """What is young, runs, waits, or was a person's at any time stays."""
    log.write("old")
    log.write("young", YOUNG)
    log.write("runs", status="running")
    log.write("waits", status="待执行")
    log.write("theirs", status="待领取")
    log.write("theirs", status="finish")
    log.write("died", status="shutdown")
    log.write("touched")
    log.write("touched", YOUNG, description="d")
    assert log.may_go() == trees("old", "died")


def test_only_whole_trees_go(log: Log) -> None:
    """One task that must stay, anywhere in the tree, keeps all of it."""
    for root, part, leaf in (("a", "b", "c"), ("d", "e", "f"), ("g", "h", "i"), ("j", "k", "l")):
        log.write(leaf, parent_id=part, status="running" if leaf == "f" else "finish")
        log.write(root, YOUNG if root == "g" else OLD)
        log.write(part, parent_id=root, status="待领取" if part == "k" else "finish")
    log.write("k", status="finish")
    log.write("orphan", parent_id="never was")
    assert log.may_go() == trees("a b c", "orphan")


def test_parents_in_a_circle_are_a_tree_too(log: Log) -> None:
    """A task that is part of itself, or of its own parts, goes with all of the circle."""
    log.write("self", parent_id="self")
    for one, above in (("x", "y"), ("y", "z"), ("z", "x"), ("below", "y"), ("u", "v"), ("v", "u")):
        log.write(one, YOUNG if one == "u" else OLD, parent_id=above)
    assert log.may_go() == trees("self", "x y z below")


def test_a_large_tree_is_found_bit_by_bit(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few tasks are looked at in one go; one that is larger than the bound stays."""
    monkeypatch.setattr(forgetting, "_SEEN_MAX", 3)
    log.write("root")
    for number in range(7):
        log.write(f"{number}", parent_id="root")
        for part in range(4):
            log.write(f"{number}.{part}", parent_id=f"{number}")
    (tree,) = log.may_go()
    assert len(tree) == 36
    whole = Tree("root")
    looks = 0
    while not whole.is_whole:
        log.database.look(partial(whole.look_on, BEFORE))
        looks += 1
    assert looks > 10
    places = {task_id: place for place, task_id in enumerate(whole.ids)}
    assert all(places[one.partition(".")[0]] < places[one] for one in places if "." in one)
    monkeypatch.setattr(forgetting, "TREE_MAX", 35)
    assert log.may_go() == set()


def test_a_task_goes_with_all_its_rows_and_no_others(log: Log) -> None:
    for number in range(4):
        for one in ("a", "b", "c"):
            log.write(one, description=f"{number}")
    log.fold()
    log.database.index_texts(100)
    log.database.prune(BEFORE, "2080", 6)
    log.forget(["a", "c"])
    assert log.revs() == [rev for rev in (2, 5, 8, 11) if rev > 3]
    assert set(log.database.load(["a", "b", "c"], [])) == {"b"}
    opened = log.database.start()
    assert (opened[0], opened.gaps_rev) == (12, 12), "the newest rev is gone, but never used again"


def test_as_many_tasks_as_the_cost_allows(log: Log) -> None:
    """The cost is that of whole tasks; a history that is longer is made shorter from its middle."""
    for number in range(5):
        for one in ("a", "b", "long"):
            log.write(one, description=f"{number}")
    for number in range(20):
        log.write("long", description=f"more {number}")
    assert [one.task.id for one in log.removal(["a", "b"], 10).going] == ["a", "b"]
    assert [one.task.id for one in log.removal(["a", "b"], 9).going] == ["a"]
    assert log.removal(["a", "b"], 9).seen == 1
    cut = log.removal(["long", "a"], 8).cut
    assert cut is not None
    assert (cut.task_id, cut.rev, cut.revs, cut.previous_rev) == (
        *("long", 35, [34, 33, 32, 31, 30, 29, 28]),
        27,
    )
    log.forget(["long", "a"], 8)
    assert set(log.database.load(["a", "b", "long"], [])) == {"b"}
    assert log.revs() == [2, 5, 8, 11, 14]


def test_large_bodies_cost_what_they_take(log: Log) -> None:
    for one in ("a", "b", "c"):
        for _ in range(2):
            log.write(one, description="x" * 40_000)
    assert len(log.removal(["a", "b", "c"], 45).going) == 2
    assert len(log.removal(["a", "b", "c"], 3).going) == 1, "one at least"


def test_what_cannot_be_read_stays_and_holds_nothing_up(log: Log) -> None:
    """A damaged row is for `check` to tell; the others go."""
    for one in ("a", "b", "c"):
        log.write(one)
    log.fold()
    log.database._writer.execute_sql(
        "UPDATE change SET task = replace(task, 'finish', 'finisH') WHERE task_id = 'b'"
    )
    removal = log.removal(["a", "b", "c", "unknown"])
    assert [one.task.id for one in removal.going] == ["a", "c"]
    assert removal.seen == 4


def test_a_task_registered_anew_in_the_same_commit_is_new(log: Log) -> None:
    log.write("a")
    log.write("a", description="old")
    removal = log.removal(["a"])
    request = Register.parse({"id": "a", "name": "new"})
    change = tasks.register(None, request, ME, Moment(3, YOUNG))
    log.database.append([change], removals=[removal])
    log.rev = 3
    log.fold()
    assert log.revs() == [3]
    assert kept.task("a", log.database.load(["a"], [])["a"]).epoch == 1
    assert not faults(log.database)


def test_the_fold_is_made_again_from_a_log_with_gaps(log: Log) -> None:
    for number in range(30):
        log.write(f"t{number}")
    log.forget([f"t{number}" for number in range(30) if number % 10])
    directory = log.database.directory
    log.database.close()
    backup.repair(directory, *postgres.standing(directory))
    log.database = Database.open(directory)
    assert log.database.start(fold_rows=2)[0] == 30
    assert len(log.database.look(partial(forgetting.ids, "", 100))) == 3
    assert not faults(log.database)


@pytest.mark.sqlite("the size of the file")
def test_the_file_becomes_smaller_by_what_is_forgotten(log: Log) -> None:
    """Step by step, until little is unused; a copy of it does so too."""
    for number in range(400):
        log.write(f"t{number}", description="x" * 20_000)
    assert log.database.give_back(100) == 0, "nothing is unused"
    log.forget([f"t{number}" for number in range(390)])
    unused, _, vacuums = log.database._writer.execute_sql(dialect.UNUSED).fetchone()
    assert vacuums == dialect.VACUUMS_BIT_BY_BIT
    assert unused > 1800
    steps = 0
    while given := log.database.give_back(100):
        assert given <= 100
        steps += 1
    assert steps >= 8
    left, _, _ = log.database._writer.execute_sql(dialect.UNUSED).fetchone()
    assert left <= 1000
    assert not faults(log.database)
    directory = log.database.directory
    backup.write(directory, directory / "copy.db")
    copy = dialect.connect(str(directory / "copy.db"), read_only=True)
    assert copy.execute_sql("PRAGMA auto_vacuum").fetchone()[0] == dialect.VACUUMS_BIT_BY_BIT
    copy.close()


def test_a_page_is_of_one_moment(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Query reads which tasks there are, and then what they say: none may go between the two."""
    for one in ("a", "b", "c"):
        log.write(one, name=f"name of {one}")
    removal = log.removal(["a"])
    bodies = log.database.engine.sql.page

    def later(*asked: Any) -> Iterator[Any]:
        log.database.append([], removals=[removal])
        monkeypatch.undo()
        return bodies(*asked)

    monkeypatch.setattr(log.database.engine.sql, "page", later)
    page = log.database.query(Query({}, "id", 10), 1 << 20)
    assert [(one.id, b"name of " + one.id.encode() in one.body) for one in page.rows] == [
        *(("a", True), ("b", True), ("c", True)),
    ]
    assert [one.id for one in log.database.query(Query({}, "id", 10), 1 << 20).rows] == ["b", "c"]
