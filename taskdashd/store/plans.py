"""How a Query's page is found: which index is read, and in which order.

Nothing is left to SQLite's planner, which without statistics takes an index that is of no use, or
sorts a million rows for one page. There, every statement names its index:

- By `rev`, newest or oldest first: the index of a field that the Query names, or of those that may
  be seen, ends in (state, rev). So the tasks of each value and state stand in the wanted order, and
  a page is their *merge*.
- By `priority`, few tasks have one of their own: an index has those, and the merge of its states is
  in order. Between them stand all others, by their ids.
- In any other order: if the tasks of the best index are few, they are *gathered* and sorted. Else
  the order is *walked*, and each task on the way tested.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from taskdash_protocol.families.tasks import Query
from taskdash_protocol.fields import (
    ACKNOWLEDGED,
    ANSWERS,
    CLASS,
    LABELS,
    PRIORITIES,
    PRIORITY,
    PRIORITY_DEFAULT,
)
from taskdash_protocol.statuses import ENDED, WAITING
from taskdashd.domain.access import Sight
from taskdashd.store.dialect import rows as stored
from taskdashd.store.dialect.sql import Rows, Sql

INDEXES: Final = {
    "parent_id": "task_parent_id",
    "checker": "task_checker",
    "user": "task_user",
    "url": "task_url",
    "project_id": "task_project_id",
    LABELS: "task_label_found",
    "group_id": "task_group_id_state_rev",
}
"""The index of each field whose tasks are found by it: the most telling first."""
_WHOLE: Final = frozenset({"group_id"})
"""The fields whose index has the tasks without a value as well."""
_COLUMNS: Final = {*INDEXES, "id", "status", "rev", "name", PRIORITY} - {LABELS}
MERGED_MAX: Final = 120
"""So many values and states are merged: each has its own place in the statement."""
GATHERED_MAX: Final = 5_000
"""So many tasks are gathered and sorted, rather than that an order is walked."""
GATHERED_AT_ALL: Final = 50_000
"""So many are if a walk has come upon too few."""
WALKED_MAX: Final = 2_000
"""So many tasks are walked before more are gathered."""
TESTED_MAX: Final = 5_000
"""So many tasks have their texts tested, in Python, before the index of texts is asked."""
HITS_MAX: Final = 10_000
"""So many tasks of the index of texts are tested and sorted; more are met soon in any order."""

WALKED: Final = {"id": "", "updated_at": "task_at", "name": "task_name_id_state"}
"""The fields in whose order all tasks are walked, and the index for each."""
STEPPED: Final = {*INDEXES, "status"} - {LABELS}
"""The fields in whose order one goes from value to value."""

STATES: Final = range(len(stored.STATES))
_HAS_LABEL: Final = "EXISTS (SELECT 1 FROM task_label AS o WHERE o.id = t.id AND {wanted})"
# A task that has several of the wanted labels is found by the least of them.
_BY_LEAST: Final = (
    "NOT EXISTS (SELECT 1 FROM task_label AS o"
    " WHERE o.id = l.id AND o.label < l.label AND {wanted})"
)
_OF_CLASS: Final = {
    "live": frozenset({0}),
    "waiting": frozenset(map(stored.STATES.index, WAITING)),
    "ended": frozenset(map(stored.STATES.index, ENDED)),
}


class Pick(NamedTuple):
    """Tasks that an index has: by one of a field's values, or by their state alone (no field)."""

    field: str
    values: tuple[str, ...]
    and_not: str = ""
    """Leaves out what another pick has, so that no task is found twice."""

    @property
    def by(self) -> str:
        """Name the index."""
        return INDEXES[self.field] if self.field else "task_state_rev"


class Wanted(NamedTuple):
    """What a Query selects, as conditions."""

    sql: Sql
    states: tuple[int, ...]
    conditions: tuple[str, ...]
    """All that must hold besides the state."""
    given: Mapping[str, Any]
    picks: list[tuple[Pick, ...]]
    """Each way to find all that is selected by an index."""


def wanted(request: Query, sight: Sight | None, sql: Sql) -> Wanted:
    """Read what a Query selects."""
    states = frozenset(STATES)
    conditions: list[str] = []
    given: dict[str, Any] = {}
    picks: list[tuple[Pick, ...]] = []
    for name, values in request.where.items():
        if name == CLASS:
            states &= frozenset().union(*(_OF_CLASS[value] for value in values))
            continue
        if name == "status":
            of = {stored.STATES.index(one) if one in stored.STATES[1:] else 0 for one in values}
            states &= of
            if 0 not in of:
                continue
        if name == ACKNOWLEDGED:
            given[name] = sql.listed(ANSWERS.index(one) for one in values)
            conditions.append(sql.among(f"t.{name}", f":{name}"))
            continue
        given[name] = sql.listed(values)
        if name == LABELS:
            conditions.append(_HAS_LABEL.format(wanted=sql.among("o.label", ":labels")))
            picks.append((Pick(LABELS, tuple(dict.fromkeys(values))),))
            continue
        conditions.append(sql.among(unhelped(name, sql), f":{name}"))
        if name in INDEXES and (name in _WHOLE or all(values)):
            picks.append((Pick(name, tuple(dict.fromkeys(values))),))
    picks.sort(key=lambda one: list(INDEXES).index(one[0].field))
    if sight is not None:
        groups = request.where.get("group_id", sight.groups)
        seen, by_sight = _seen(sight, sight.groups.intersection(groups), sql)
        given |= seen
        if groups is sight.groups or not sight.groups.issuperset(groups):
            conditions.append(
                f"({sql.among(sql.unhelped('t.group_id'), ':seen_groups')}"
                " OR (:me <> '' AND :me IN (t.user, t.checker)))"
            )
            picks.append(by_sight)
    picks.append((Pick("", ()),))
    return Wanted(sql, tuple(sorted(states)), tuple(conditions), given, picks)


def _seen(sight: Sight, of: frozenset[str], sql: Sql) -> tuple[dict[str, Any], tuple[Pick, ...]]:
    groups = tuple(sorted(sight.groups))
    given = {"seen_groups": sql.listed(groups), "me": sight.person}
    picks = [Pick("group_id", tuple(sorted(of)))]
    if sight.person:
        elsewhere = f"NOT {sql.among('t.group_id', ':seen_groups')}"
        picks.append(Pick("user", (sight.person,), elsewhere))
        picks.append(Pick("checker", (sight.person,), f"{elsewhere} AND t.user <> :me"))
    return given, tuple(picks)


def expression(name: str, sql: Sql) -> str:
    """Give the expression of a task's field; `t` is the task."""
    if name == "updated_at":
        return "t.at"
    if name in _COLUMNS:
        return f"t.{name}"
    return f"(SELECT {sql.member('m.task', name)} FROM change AS m WHERE m.rev = t.rev)"


def value_in(task: Mapping[str, Any], name: str) -> Any:
    """Give a task's field as `expression` has it."""
    if name != PRIORITY:
        return task[name]
    value = task.get(name)
    return value if type(value) is int and value in PRIORITIES else PRIORITY_DEFAULT


def unhelped(name: str, sql: Sql) -> str:
    """Give the expression of a field for a condition that must not choose the index."""
    return sql.unhelped(expression(name, sql))


class Part(NamedTuple):
    """A statement's FROM and WHERE, and its parameters."""

    source: str
    given: Mapping[str, Any]
    rev: str = "t.rev"
    """The expression of a task's rev by which the index gives it in order."""
    narrow: str = ""
    """The same tasks without a look at the table of tasks; empty where `source` needs none."""
    over: str = ""
    """The source of the values and states for each of which `source` is to be read by itself."""
    state: str = "t.state"
    """The expression of a task's state that goes before what is in order for each of them."""

    @property
    def counted(self) -> str:
        """Give what the tasks are counted by."""
        source = self.narrow or self.source
        return f"{self.over} CROSS JOIN {source}" if self.over else source


def scanned(pick: Pick, want: Wanted, number: int = 0) -> Part:
    """Give all that a pick has, in no order: for counting and gathering."""
    states, sql = ", ".join(map(str, want.states)), want.sql
    if pick.field == LABELS:
        has = sql.among("l.label", ":labels")
        return _labelled(pick, f"{has} AND l.state IN ({states})", {}, sql)
    further = [f"t.state IN ({states})", *_nonempty(pick)]
    further += [pick.and_not] if pick.and_not else []
    source = f"task AS t {sql.by(pick.by)} WHERE {{}}"
    if not pick.field:
        return Part(source.format(" AND ".join(further)), {})
    column, name = f"t.{pick.field}", f"v{number}"
    given = {name: sql.listed(pick.values)}
    all_of_it = [sql.found_among(column, f":{name}"), *further]
    roughly = sql.roughly_among(column, f":{name}")
    return Part(
        source.format(" AND ".join(all_of_it)),
        given,
        narrow=source.format(" AND ".join([roughly, *further])) if roughly else "",
    )


def _nonempty(pick: Pick) -> list[str]:
    # A partial index is used only where its condition is repeated.
    return [] if not pick.field or pick.field in _WHOLE else [f"t.{pick.field} <> ''"]


def merged(picks: Iterable[Pick], want: Wanted) -> Iterator[Part]:
    """Give each value and state of picks by itself: each has its tasks in the order of revs."""
    if want.sql.plans:
        yield from _spanned(picks, want)
        return
    number = 0
    for pick in picks:
        # Without a field it is one pick of all values; with one and no values it is empty.
        for value in pick.values if pick.field else ("",):
            for state in want.states:
                if pick.field == LABELS:
                    where = f"l.label = :m{number} AND l.state = {state}"
                    yield _labelled(pick, where, {f"m{number}": value}, want.sql)
                    continue
                conditions = [f"t.state = {state}", *_nonempty(pick)]
                given = {}
                if pick.field:
                    conditions.insert(0, want.sql.found_equal(f"t.{pick.field}", f":m{number}"))
                    given[f"m{number}"] = value
                conditions += [pick.and_not] if pick.and_not else []
                source = f"task AS t {want.sql.by(pick.by)} WHERE {' AND '.join(conditions)}"
                yield Part(source, given)
            number += 1


def _spanned(picks: Iterable[Pick], want: Wanted) -> Iterator[Part]:
    """Give what `merged` does in one part for each pick: to plan a hundred takes milliseconds."""
    is_any = len(want.states) == len(STATES)
    for number, pick in enumerate(picks):
        if not pick.field:
            # All tasks are in the order of revs as they are.
            whole = Part("task AS t WHERE true", {})
            yield whole if is_any else _by_state("task AS t WHERE {}", {}, want)
            continue
        name = f"m{number}"
        if len(pick.values) == 1:
            value, more, given = f":{name}", [], {name: pick.values[0]}
        else:
            value, more = "wanted.value", [want.sql.each(f":{name}", "text")]
            given = {name: want.sql.listed(pick.values)}
        if pick.field == LABELS:
            part = _labelled(pick, f"l.label = {value} AND {{}}", given, want.sql)
            part = _by_state(part.source, given, want, more, "l.state")._replace(rev=part.rev)
        else:
            conditions = [want.sql.found_equal(f"t.{pick.field}", value), "{}", *_nonempty(pick)]
            conditions += filter(None, [pick.and_not])
            part = _by_state(f"task AS t WHERE {' AND '.join(conditions)}", given, want, more)
        yield part


def _by_state(
    source: str,
    given: Mapping[str, Any],
    want: Wanted,
    more: Iterable[str] = (),
    state: str = "t.state",
) -> Part:
    """Read a source, whose condition of the state is `{}`, for each state by itself.

    A range of one, and in the order of states: only an index by states first has its tasks so. Of
    an equality the planner forgets the order, and walks a million tasks for a rare state's.
    """
    over = f"unnest(ARRAY[{', '.join(map(str, want.states))}]) AS one (state)"
    of_state = f"{state} BETWEEN one.state AND one.state"
    spans = " CROSS JOIN ".join([*more, over])
    return Part(source.format(of_state), given, over=spans, state=state)


def _labelled(pick: Pick, where: str, given: Mapping[str, Any], sql: Sql) -> Part:
    least = _BY_LEAST.format(wanted=sql.among("o.label", ":labels"))
    once = f" AND {least}" if len(pick.values) > 1 else ""
    labels = f"task_label AS l {sql.by(pick.by)}"
    # Nothing but its id is to choose the task.
    same = f"t.id = l.id AND {sql.unhelped('t.rev')} = l.rev"
    joined = f"{labels} CROSS JOIN task AS t WHERE {where} AND {same}{once}"
    return Part(joined, given, "l.rev", f"{labels} WHERE {where}{once}")


def prioritized(want: Wanted, sign: str) -> list[Part]:
    """Give the tasks whose priority is on a side of the default's, each state by itself.

    Each has its tasks in the order of priorities, and of ids where they are the same.
    """
    bound = f"t.priority <> {PRIORITY_DEFAULT} AND t.priority {sign} {PRIORITY_DEFAULT}"
    source = f"task AS t {want.sql.by('task_priority')} WHERE {bound}"
    if want.sql.plans:
        return [_by_state(f"{source} AND {{}}", {}, want)]
    return [Part(f"{source} AND t.state = {state}", {}) for state in want.states]


def merges(picks: Iterable[Pick], want: Wanted) -> int:
    """Count the parts that `merged` would give."""
    return sum(len(pick.values) if pick.field else 1 for pick in picks) * len(want.states)


def values(rows: Rows, field: str, *, descending: bool) -> Iterator[str]:
    """Give the values that tasks have of a field of `STEPPED`, in order."""
    if field == "status":
        by = rows.sql.by("task_state_rev")
        live = f"SELECT DISTINCT status FROM task {by} WHERE state = 0"
        found = {status for (status,) in rows(live, {})}
        yield from sorted(found | set(stored.STATES[1:]), reverse=descending)
        return
    whole = field in _WHOLE
    if not whole and not descending:
        yield ""
    best, beyond = ("max", "<") if descending else ("min", ">")
    name, by = f"t.{field}", rows.sql.by(INDEXES[field])
    there = "true" if whole else f"{name} <> ''"
    statement = f"SELECT {best}({name}) FROM task AS t {by} WHERE {there} AND {{}}"
    ((value,),) = rows(statement.format("true"), {})
    while value is not None:
        yield value
        ((value,),) = rows(statement.format(f"{name} {beyond} :last"), {"last": value})
    if not whole and descending:
        yield ""


def having(field: str, value: str, want: Wanted) -> Part | None:
    """Give the tasks that have a value, from an index; None where none has them all."""
    if field == "status":
        state = stored.STATES.index(value) if value in stored.STATES[1:] else 0
        one = want._replace(states=tuple({state} & set(want.states)) or (-1,))
        part = scanned(Pick("", ()), one)
        return Part(f"{part.source} AND t.status = :v0", {"v0": value}) if state == 0 else part
    if not value and field not in _WHOLE:
        return None
    return scanned(Pick(field, (value,)), want)
