"""What a Query selects and finds is what a plain look at every task would, by whichever plan.

The plans choose by how many tasks there are, so their bounds are part of the example: a bound of
none has the other plan taken even with five tasks.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Query, Register, Update
from taskdash_protocol.folding import fold
from taskdash_protocol.statuses import is_live, status_class
from taskdashd.domain import search, tasks
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Author, Change, Moment, Task
from taskdashd.store import backup, plans
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite import labels as labelled
from taskdashd.store.dialect.sqlite import texts
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.removal import Going, Removal

ME = Author(1, "me")
PEOPLE = {"u1": "王小明", "u2": "Ann Straße", "u3": "报小"}
LETTERS = st.sampled_from(["a", "b", "A", "报", "告", "ß", "s", " ", "\t", "\u3000", '"', "*", "^"])
ODD = st.sampled_from([*"ﬁİıςΣéǰ\u0301\x01\U0001f600", "e\u0301"])
TEXT = st.lists(st.one_of(LETTERS, LETTERS, ODD), max_size=6).map("".join)
STATES = {
    "to claim": ("待领取",),
    "待领取": ("待领取",),
    "a In  WORK": ("编辑中",),
    "待触发": ("待触发",),
    "not ready yet": ("待触发",),
    "Finished": ("finish",),
    "failed": ("failed",),
    "failed or lost": ("failed", "shutdown"),
    "shutdown a": ("shutdown",),
    "运行中": ("running", "b", ""),
    "work": (),
    "claim": (),
}
"""Statuses that what people say means, besides what stands in texts."""
PHRASES = st.sampled_from([*STATES, "ｒｕｎｎｉｎｇ", "run"])
SOUGHT = st.one_of(
    TEXT, st.sampled_from(["小", "王小明", "ann", "strasse", "u1", "t1", "g1"]), PHRASES
)
NAMES = ("", "g1", "g2")
LABELS = st.lists(
    st.sampled_from(("urgent", "ＵＲＧＥＮＴ", "Urgent ", "later", "稍后")), max_size=3
)
ODD_LABELS = st.sampled_from(
    ("urgent", None, 5, {"urgent": 1}, ["urgent", 5], ["urgent", ""], ["urgent"] * 17, ["x" * 33])
)
STATUSES = ("running", "b", "finish", "failed", "待领取", "编辑中", "待触发", "shutdown")
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXT,
        "reason": st.one_of(TEXT, st.integers(0, 9), st.none()),
        "status": st.sampled_from(STATUSES),
        "group_id": st.sampled_from(NAMES),
        "project_id": st.sampled_from(NAMES),
        "url": st.sampled_from(NAMES),
        "parent_id": st.sampled_from(("", "t1", "t2")),
        "user": st.sampled_from(("", *PEOPLE)),
        "checker": st.sampled_from(("", *PEOPLE)),
        "task_type": st.sampled_from(NAMES),
        "labels": st.one_of(LABELS, LABELS, ODD_LABELS),
        "priority": st.sampled_from((9, 5, 2, 0, 10, "9", True, None)),
        "name": st.sampled_from(("n0", "n5", "Ｎ", "报告")),
    },
)
IDS = st.sampled_from([f"t{number}" for number in range(12)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), IDS, FIELDS),
        st.tuples(st.just("write"), IDS, FIELDS),
        st.tuples(st.just("write"), IDS, FIELDS),
        st.tuples(st.just("fold"), st.none(), st.none()),
        st.tuples(st.just("index"), st.integers(1, 3), st.none()),
        st.tuples(st.just("forget"), IDS, st.none()),
    ),
    max_size=25,
)
WHERE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3),
        "class": st.sampled_from(("live", "waiting", "ended")),
        "group_id": st.lists(st.sampled_from(NAMES), max_size=2),
        "project_id": st.sampled_from(NAMES),
        "url": st.sampled_from(NAMES),
        "parent_id": st.sampled_from(("", "t1")),
        "user": st.lists(st.sampled_from(("", *PEOPLE)), min_size=1, max_size=3),
        "checker": st.sampled_from(("", *PEOPLE)),
        "task_type": st.sampled_from(NAMES),
        "id": st.lists(IDS, max_size=3),
        "labels": st.lists(st.sampled_from(("urgent", "LATER", "稍后", "none")), max_size=3),
    },
)
SIGHTS = st.one_of(
    st.none(),
    st.builds(Sight, st.frozensets(st.sampled_from(NAMES)), st.sampled_from(("", "u1", "u2"))),
)
KNOWN_LABELS = {"urgent", "ＵＲＧＥＮＴ", "Urgent ", "later", "稍后"}
MEMBERS = ("name", "epoch", "priority", "priority", "name")
ORDERS = st.sampled_from(
    [
        sign + field
        for sign in ("", "-")
        for field in (*("rev", "rev", "id", "updated_at", "status", "user", "group_id"), *MEMBERS)
    ]
)
BOUNDS = st.fixed_dictionaries(
    {
        "GATHERED_MAX": st.sampled_from((0, 3, 1_000)),
        "GATHERED_AT_ALL": st.sampled_from((0, 50_000)),
        "WALKED_MAX": st.sampled_from((1, 4, 5_000)),
        "TESTED_MAX": st.sampled_from((0, 0, 2, 5_000)),
        "HITS_MAX": st.sampled_from((0, 2, 10_000)),
        "MERGED_MAX": st.sampled_from((16, 40, 120)),
    }
)
OF_TEXTS = st.fixed_dictionaries(
    {
        "_BEGINNINGS_MAX": st.sampled_from((0, 2, 300)),
        "_PLACES_MAX": st.sampled_from((0, 3, 20_000)),
        "_PEOPLE_MAX": st.sampled_from((0, 64)),
        "_GRAMS_MAX": st.sampled_from((2, 24)),
    }
)


class Office:
    """A database beside a dictionary of what is in it."""

    def __init__(self, directory: Path) -> None:
        self.database = Database.open(directory)
        self.path = directory / DATABASE_NAME
        self.known: dict[str, Task] = {}
        self.revs: dict[str, list[int]] = {}
        self.folded: set[str] = set()
        self.rev = 0

    def write(self, task_id: str, fields: dict[str, Any]) -> None:
        self.rev += 1
        # The clock goes back now and then.
        moment = Moment(self.rev, f"2026-01-01T00:00:{self.rev * 7 % 60:02}.000Z")
        old = self.known.get(task_id)
        change: Change
        if old is None:
            request = Register.parse({"id": task_id, "name": f"n{self.rev % 3}"} | fields)
            change = tasks.register(None, request, ME, moment)
        else:
            change = tasks.update(old, Update.parse({"id": task_id, **fields}), ME, moment)
        self.known[task_id] = change.task
        self.revs.setdefault(task_id, []).append(self.rev)
        self.folded.discard(task_id)
        self.database.append([change])

    def fold(self) -> None:
        if self.rev:
            self.database.fold(self.rev)
        self.folded = set(self.known)

    def forget(self, task_id: str) -> None:
        if task_id in self.folded:
            task = self.known.pop(task_id)
            self.folded.discard(task_id)
            self.database.append([], removals=[Removal([Going(task, self.revs.pop(task_id))])])

    def do(self, step: tuple[str, Any, Any]) -> None:
        name, first, second = step
        if name == "write":
            self.write(first, second)
        elif name == "fold":
            self.fold()
        elif name == "index":
            self.database.index_texts(first)
        else:
            self.forget(first)

    def unfolded(self) -> dict[str, int]:
        return {one: task.rev for one, task in self.known.items() if one not in self.folded}


@contextmanager
def office() -> Iterator[Office]:
    with tempfile.TemporaryDirectory() as directory:
        one = Office(Path(directory))
        try:
            yield one
        finally:
            one.database.close()


def labels_of(fields: dict[str, Any]) -> set[str]:
    """Give the labels of a task, of those that are made up here."""
    found = fields.get("labels")
    words = {"ＵＲＧＥＮＴ": "urgent", "Urgent ": "urgent"}
    if not isinstance(found, list) or len(found) > 16 or not {*found} <= KNOWN_LABELS:
        return set()
    return {words.get(one, one) for one in found}


def said(contains: str, status: str) -> str | None:
    """Give what a status is found by in what is looked for; None where by nothing."""
    if status in STATES.get(contains, ()):
        # "Failed or lost" means what died; of what failed, its one word.
        words = contains if status != "failed" else "failed"
        return words.removesuffix(" a").removeprefix("a ")
    if is_live(status):
        return f"{status} running" if contains == "ｒｕｎｎｉｎｇ" else status
    return None


def expected(
    one: Office, where: dict[str, Any], sight: Sight | None, contains: str, order: str
) -> list[str]:
    """Look at every task."""
    found = []
    sought = [word for word in fold(contains).split() if word]
    for task in one.known.values():
        fields = strictjson.loads(task.body)
        have = {**fields, "class": status_class(fields["status"])}
        wanted = {
            name: [values] if isinstance(values, str) else values for name, values in where.items()
        }
        labels = wanted.pop("labels", None)
        if labels is not None and {*map(str.lower, labels)}.isdisjoint(labels_of(fields)):
            continue
        if any(have[name] not in values for name, values in wanted.items()):
            continue
        if sight is not None and not sight.sees(fields):
            continue
        parts = [fields.get(name) for name in search.SEARCHED]
        parts += [PEOPLE.get(fields["user"]), PEOPLE.get(fields["checker"])]
        parts += [said(contains, fields["status"])]
        looked = [fold(part) for part in parts if isinstance(part, str)]
        if all(any(word in part for part in looked) for word in sought):
            found.append(fields)
    field = order.removeprefix("-")

    def key(fields: dict[str, Any]) -> Any:
        value = fields.get(field)
        is_one = type(value) is int and 0 <= value <= 9
        return value if is_one or field != "priority" else 5

    found.sort(key=lambda fields: (key(fields), fields["id"]), reverse=order.startswith("-"))
    return [fields["id"] for fields in found]


@given(
    steps=STEPS,
    fold_all=st.booleans(),
    asked=st.lists(st.tuples(WHERE, SIGHTS, SOUGHT, ORDERS, st.integers(1, 5)), max_size=5),
    bounds=BOUNDS,
    of_texts=OF_TEXTS,
)
def test_a_query_selects_and_finds_what_a_look_at_every_task_would(
    steps: list[tuple[str, Any, Any]],
    fold_all: bool,
    asked: list[tuple[dict[str, Any], Sight | None, str, str, int]],
    bounds: dict[str, int],
    of_texts: dict[str, int],
) -> None:
    """Whatever the index of texts has not yet, whatever is unfolded, page by page."""
    with office() as one, mock.patch.multiple(plans, **bounds):
        for step in steps:
            one.do(step)
        if fold_all:
            one.fold()
        with mock.patch.multiple(texts, **of_texts):
            for where, sight, contains, order, limit in asked:
                found: list[str] = []
                body = {"where": where, "contains": contains, "order": order, "limit": limit}
                after = None
                while True:
                    request = Query.parse(body if after is None else {**body, "after": after})
                    page = one.database.query(
                        request,
                        1 << 20,
                        one.unfolded() or None,
                        sight,
                        search.sought(contains, PEOPLE.items()),
                    )
                    found += [row.id for row in page.rows]
                    after = page.next
                    if after is None:
                        break
                assert found == expected(one, where, sight, contains, order)


@pytest.mark.sqlite("the index of texts in FTS5")
@given(steps=STEPS)
def test_the_index_has_exactly_the_tasks_up_to_its_rev(steps: list[tuple[str, Any, Any]]) -> None:
    """A change takes its text from the index when that gets there, a deletion at once."""
    with office() as one:
        for step in steps:
            one.do(step)
        with apsw.Connection(str(one.path)) as look:
            assert look.execute(texts.MISSING).get == 0
            assert look.execute(texts.LEFT).get == 0
            look.create_scalar_function("labels", labelled.sorted_labels)
            assert look.execute(labelled.MISSING).get == 0
            assert look.execute(labelled.LEFT).get == 0


@pytest.mark.sqlite("the index of texts in FTS5")
def test_a_check_names_a_text_that_is_missing_or_left_and_a_repair_mends_it(tmp_path: Path) -> None:
    one = Office(tmp_path)
    for number in range(5):
        one.write(f"t{number}", {"description": "zirconium", "labels": ["Urgent"]})
    one.fold()
    one.database.index_texts(10)
    one.database.close()
    assert backup.check(tmp_path) == []
    for statement, said in (
        ("DELETE FROM task_text WHERE rowid = 2", "1 tasks are not found by their texts"),
        ("INSERT INTO task_text (rowid, text) VALUES (99, 'abc')", "1 texts are of no task"),
        ("DELETE FROM task_label WHERE id = 't2'", "1 tasks are not found by their labels"),
        (
            "UPDATE task_label SET rev = 9 WHERE id = 't2'",
            "1 labels are of no task, or of one that is another by now",
        ),
    ):
        with apsw.Connection(str(one.path)) as edited:
            edited.execute(statement)
        (fault,) = backup.check(tmp_path)
        assert fault == (said, backup.REBUILD)
        backup.repair(tmp_path)
        again = Database.open(tmp_path)
        again.start()
        request = Query.parse({"contains": "zirconium"})
        assert len(again.query(request, 1 << 20).rows) == 5, "before the index is made again"
        again.index_texts(10)
        assert len(again.query(request, 1 << 20).rows) == 5
        request = Query.parse({"where": {"labels": "urgent"}})
        assert len(again.query(request, 1 << 20).rows) == 5
        again.close()
        assert backup.check(tmp_path) == []


@pytest.mark.parametrize("contains", ["a b c d e f g h i j k", "x" * 257, "nul\0"])
def test_what_is_too_much_to_look_for_is_refused(contains: str) -> None:
    with pytest.raises(BadRequest, match="contains"):
        Query.parse({"contains": contains})


def test_a_member_is_searched_as_far_as_is_said() -> None:
    """A text of a megabyte must not hold everybody up: the bound is in PROTOCOL.md."""
    with office() as one:
        one.write("t1", {"description": "x" * 3_996 + "here there"})
        one.fold()
        for indexed in (False, True):
            if indexed:
                one.database.index_texts(10)
            for word, count in (("here", 1), ("there", 0)):
                request = Query.parse({"contains": word})
                assert len(one.database.query(request, 1 << 20).rows) == count
