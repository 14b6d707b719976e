"""Finding a Query's page: runs what `plans` offers, and asks the index of texts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from taskdash_protocol.fields import PRIORITY, PRIORITY_DEFAULT
from taskdashd.domain.search import Sought
from taskdashd.store import plans
from taskdashd.store.dialect.sql import Hits, Rows
from taskdashd.store.plans import Part, Pick, Wanted

Found = list[tuple[str, int, Any]]
"""Ids with their revs and the values that they are sorted by, in order."""


class Place(NamedTuple):
    """Which part of what is selected is wanted."""

    field: str
    descending: bool
    after: tuple[Any, str] | None
    """The value and the id of the task before the page."""
    rows: int
    but: Sequence[str] = ()
    """Ids that are left out."""


class Finder:
    """Finds one page."""

    def __init__(self, want: Wanted, page: Place, sought: Sought | None, rows: Rows) -> None:
        self._want = want
        self._page = page
        self._sought = sought
        self._rows = rows
        sql = want.sql
        self._key = plans.expression(page.field, sql)
        self._sign = "<" if page.descending else ">"
        self._order = "DESC" if page.descending else "ASC"
        self._given: dict[str, Any] = {**want.given, "count": page.rows}
        self._tests = [*want.conditions]
        if page.but:
            self._given["but"] = sql.listed(page.but)
            self._tests.append(f"NOT {sql.among('t.id', ':but')}")
        if page.after is not None:
            # By names that no field has: what a `where` gives stands under the names of its fields.
            self._given["after_key"], self._given["after_id"] = page.after
        if sought is not None:
            self._has_words, given = sql.has_words(sought)
            self._given |= given
            self._tests.append(self._has_words)

    def find(self) -> Found:
        """Give the page, and the first task behind it."""
        if not self._want.states:
            return []
        return self._by_rev() if self._page.field == "rev" else self._by_other()

    def _by_rev(self) -> Found:
        usable = [
            picks
            for picks in self._want.picks
            if plans.merges(picks, self._want) <= plans.MERGED_MAX
        ]
        if self._sought is None and sum(bool(picks[0].field) for picks in usable) <= 1:
            return self._merged(usable[0])
        picks, count = self._fewest(usable, plans.TESTED_MAX)
        if self._sought is not None and count >= plans.TESTED_MAX:
            if self._want.sql.plans:
                # The index gives what it has in no order: of a frequent word, a million to sort.
                found = self._select([self._newest(plans.WALKED_MAX)], ("rev",))
                if len(found) == self._page.rows:
                    return found
            hits = self._want.sql.hits(self._rows, self._sought)
            if hits is not None:
                return self._streamed(picks, hits)
        return self._merged(picks)

    def _newest(self, most: int) -> Part:
        """Give the next few of all tasks in the order of revs."""
        behind = f"t.rev {self._sign} :after_key" if self._page.after is not None else "true"
        first = (
            f"SELECT t.* FROM task AS t WHERE {behind} ORDER BY t.rev {self._order} LIMIT {most}"
        )
        return Part(f"({first}) AS t WHERE true{self._states()}", {})

    def _streamed(self, picks: Sequence[Pick], hits: Hits) -> Found:
        """Read what the index of texts has, in the order of revs, and what it has not yet."""
        rest = self._want.sql.unindexed(self._rows)
        found = self._merged(picks, rest) if rest and self._page.descending else []
        if len(found) < self._page.rows:
            source = f"{hits.joined}{self._states()}"
            if self._page.after is not None:
                source += f" AND {hits.rev} {self._sign} :after_key"
            found += self._select([Part(source, hits.given)], (hits.rev,))
        if len(found) < self._page.rows and rest and not self._page.descending:
            found += self._merged(picks, rest)
        return found[: self._page.rows]

    def _merged(self, picks: Iterable[Pick], besides: str = "") -> Found:
        more = [f"{{rev}} {self._sign} :after_key"] if self._page.after is not None else []
        more += [besides] if besides else []
        parts = [
            _with(part, [one.format(rev=part.rev) for one in more])
            for part in plans.merged(picks, self._want)
        ]
        # A field that may have none of no values leaves nothing to merge.
        return self._select(parts, ("key",)) if parts else []

    def _by_other(self) -> Found:
        found, picks = self._of_few()
        if found is not None:
            return found
        hits = self._want.sql.hits(self._rows, self._sought) if self._sought is not None else None
        # To count hits takes PostgreSQL longer than a walk, which is short.
        few = hits is not None and not self._want.sql.plans and self._few(hits)
        if self._page.field in plans.WALKED and not few:
            found = self._gathered([self._walk(plans.WALKED_MAX)])
            if len(found) == self._page.rows:
                return found
        if self._page.field == PRIORITY and hits is not None and not few:
            found = self._by_priority(picks, plans.WALKED_MAX)
            if len(found) == self._page.rows:
                return found
        if hits is not None:
            rest = self._want.sql.unindexed(self._rows)
            tasks = plans.scanned(Pick("", ()), self._want)
            new = [_with(tasks, [rest.format(rev=tasks.rev)])] if rest else []
            return self._sorted([Part(f"{hits.joined}{self._states()}", hits.given), *new])
        picks, count = self._fewest(self._want.picks, plans.GATHERED_AT_ALL)
        if self._page.field == PRIORITY and (count >= plans.GATHERED_AT_ALL or not picks[0].field):
            return self._by_priority(picks)
        if count < plans.GATHERED_AT_ALL:
            return self._gathered(self._scanned(picks))
        if self._page.field in plans.STEPPED and not self._want.sql.plans:
            return self._stepped()
        return self._gathered([self._walk()])

    def _few(self, hits: Hits) -> bool:
        return self._count([hits], plans.HITS_MAX) < plans.HITS_MAX

    def _scanned(self, picks: Iterable[Pick]) -> list[Part]:
        return [plans.scanned(pick, self._want, number) for number, pick in enumerate(picks)]

    def _walk(self, most: int | None = None) -> Part:
        """Give all tasks in the wanted order, or the next few of them."""
        index = plans.WALKED.get(self._page.field)
        source = f"task AS t {self._want.sql.by(index) if index else ''}"
        if most is not None:
            by = f"{self._want.sql.sorted_by(self._key, self._order)}, " if index else ""
            order = f"{by}t.id {self._order}"
            behind = " AND ".join(["true", *self._behind()])
            source = f"(SELECT t.* FROM {source} WHERE {behind} ORDER BY {order} LIMIT {most}) AS t"
        return Part(f"{source} WHERE true{self._states()}", {})

    def _stepped(self) -> Found:
        """Go from value to value of the field: of each the tasks are in the order of their ids."""
        field, descending = self._page.field, self._page.descending
        found: Found = []
        values = plans.values(self._rows, field, descending=descending)
        after = self._page.after
        for value in values:
            if after is not None and (value > after[0] if descending else value < after[0]):
                continue
            is_cut = after is not None and value == after[0]
            more = [f"t.id {self._sign} :after_id"] if is_cut else []
            part = plans.having(field, value, self._want)
            if part is None or self._count([part], plans.GATHERED_MAX) >= plans.GATHERED_MAX:
                part = _with(self._walk(), [f"{plans.unhelped(field, self._want.sql)} = :v0"])
                part = Part(part.source, {"v0": value})
            found += self._select([_with(part, more)], ("id",), self._page.rows - len(found))
            if len(found) >= self._page.rows:
                break
        return found

    def _by_priority(self, picks: Sequence[Pick], most: int | None = None) -> Found:
        """Give the tasks on one side of the default's priority, then those that have it, and so on.

        Of the millions that may have it, the page has the first by their ids. With `most`, no more
        have their texts tested on each side; if these are too few for a page, there is none.
        """
        found: Found = []
        after = self._page.after[0] if self._page.after is not None else None
        sides = (">", "=", "<") if self._page.descending else ("<", "=", ">")
        for sign in sides[_side_of(after, sides) :]:
            count = self._page.rows - len(found)
            if sign == "=":
                behind = [f"t.id {self._sign} :after_id"] if after == PRIORITY_DEFAULT else []
                some = self._of_no_priority(behind, count, picks if most is None else None)
            else:
                some = self._beside(sign, count, most)
            if some is None:
                return []
            found += some
            if len(found) == self._page.rows:
                break
        return found

    def _beside(self, sign: str, count: int, most: int | None) -> Found | None:
        parts = plans.prioritized(self._want, sign)
        if most is not None and self._count(parts, most) == most:
            found = self._sorted(parts, most, count)
            return found if len(found) == count else None
        parts = [_with(part, self._behind()) for part in parts]
        return self._select(parts, ("key", "id"), count)

    def _of_no_priority(
        self, behind: Sequence[str], count: int, picks: Sequence[Pick] | None
    ) -> Found | None:
        default = f"t.priority = {PRIORITY_DEFAULT}"
        source = f"SELECT t.* FROM task AS t WHERE {' AND '.join(['true', *behind])}"
        first = f"({source} ORDER BY t.id {self._order} LIMIT {plans.WALKED_MAX}) AS t"
        walk = Part(f"{first} WHERE {default}{self._states()}", {})
        found = self._select([walk], ("id",), count)
        if len(found) == count:
            return found
        if picks is None:
            return None
        parts = [_with(part, [default, *behind]) for part in self._scanned(picks)]
        return self._select(parts, ("id",), count)

    def _behind(self) -> list[str]:
        """Give the condition of the tasks behind the last page."""
        if self._page.after is None:
            return []
        if self._page.field == "id":
            return [f"t.id {self._sign} :after_id"]
        reached = self._want.sql.reached(self._key, self._sign, ":after_key")
        return [f"{reached}({self._key}, t.id) {self._sign} (:after_key, :after_id)"]

    def _gathered(self, parts: Iterable[Part], count: int | None = None) -> Found:
        by = ("id",) if self._page.field == "id" else ("key", "id")
        return self._select([_with(part, self._behind()) for part in parts], by, count)

    def _of_few(self) -> tuple[Found | None, Sequence[Pick]]:
        """Give the page if the best way has few tasks, else None; and the best way."""
        ways, most = _telling(self._want.picks), plans.GATHERED_MAX
        if self._want.sql.plans and self._sought is None and len(ways) == 1 and not self._is_all:
            # Counted as they are gathered: it is one turn with the server less.
            parts = [_with(part, self._behind()) for part in self._scanned(ways[0])]
            every = f"({self._every(parts, self._tests)} LIMIT {most}) AS few"
            order = f"key {self._order}, id {self._order}"
            counted = f"SELECT id, rev, key, count(*) OVER () FROM {every} ORDER BY {order}"
            given = {**self._given, **_given(parts)}
            rows = list(self._rows(f"{counted} LIMIT :count", given))
            is_few = (rows[0][-1] if rows else 0) < most
            return [(*row,) for *row, _ in rows] if is_few else None, ways[0]
        picks, count = self._fewest(ways, most)
        return self._gathered(self._scanned(picks)) if count < most else None, picks

    @property
    def _is_all(self) -> bool:
        """Whether no index has fewer than all tasks."""
        return not self._want.picks[0][0].field and len(self._want.states) == len(plans.STATES)

    def _fewest(self, ways: Sequence[Sequence[Pick]], most: int) -> tuple[Sequence[Pick], int]:
        """Choose the way with the fewest tasks; of those with `most` or more, the first."""
        if self._want.sql.plans and self._is_all:
            # Not counted: any way through them that ends soon is tried first.
            return ways[0], most
        counts: list[int] = []
        for picks in _telling(ways):
            # Count no further than the best way so far: behind one that finds three tasks, the
            # index of a state would else be counted to the end.
            counts.append(self._count(self._scanned(picks), min((most, *counts))))
        best = min(range(len(counts)), key=counts.__getitem__)
        return ways[best], counts[best]

    def _count(self, parts: Sequence[Part | Hits], most: int) -> int:
        every = " UNION ALL ".join(f"SELECT 1 FROM {part.counted}" for part in parts)
        statement = f"SELECT count(*) FROM ({every} LIMIT {most}) AS found"
        ((count,),) = self._rows(statement, {**self._given, **_given(parts)})
        return int(count)

    def _sorted(self, parts: Sequence[Part], most: int = -1, count: int | None = None) -> Found:
        """Gather tasks of which many have not the words, and test them in the wanted order.

        With `most`, only so many of the first.
        """
        if self._want.sql.plans:
            return self._gathered(parts, count)
        tests = [*self._tests[:-1], *self._behind()]
        order = f"key {self._order}, id {self._order}"
        # With a limit, the inner statement is sorted before a text is tested, and not behind it.
        every = f"{self._every(parts, tests)} ORDER BY {order} LIMIT {most}"
        statement = f"SELECT id, rev, key FROM ({every}) AS t WHERE {self._has_words} LIMIT :count"
        given = {**self._given, **_given(parts), "count": count or self._page.rows}
        return list(self._rows(statement, given))

    def _select(
        self, parts: Sequence[Part], order: Sequence[str], count: int | None = None
    ) -> Found:
        by = [f"{one} {self._order}" for one in order]
        # PostgreSQL merges no union: it would read all of each part, and sort it.
        is_each = self._want.sql.plans and (len(parts) > 1 or bool(parts[0].over))
        every = self._every(parts, self._tests, by if is_each else ())
        given = {**self._given, **_given(parts), "count": count or self._page.rows}
        if len(parts) == 1 and not is_each and order[0] == "key" and self._page.field != "rev":
            # A union is sorted by its columns; one part by what its index has.
            by[0] = self._want.sql.sorted_by(self._key, self._order)
        return list(self._rows(f"{every} ORDER BY {', '.join(by)} LIMIT :count", given))

    def _every(
        self, parts: Sequence[Part], tests: Sequence[str], each_by: Sequence[str] = ()
    ) -> str:
        """Give all of the parts; with `each_by` the first of each, in that order."""
        by_rev = self._page.field == "rev"
        selected = []
        for part in parts:
            key = part.rev if by_rev else self._key
            source = _with(part, tests).source
            one = f"SELECT t.id AS id, {part.rev} AS rev, {key} AS key FROM {source}"
            if each_by:
                by = [f"{part.state} {self._order}", *each_by] if part.over else each_by
                one = f"({one} ORDER BY {', '.join(by)} LIMIT :count)"
            if part.over:
                one = f"(SELECT found.* FROM {part.over} CROSS JOIN LATERAL {one} AS found)"
            selected.append(one)
        return " UNION ALL ".join(selected)

    def _states(self) -> str:
        """Give the further condition of the states, one that must not choose the index."""
        if len(self._want.states) == len(plans.STATES):
            return ""
        state = self._want.sql.unhelped("t.state")
        return f" AND {state} IN ({', '.join(map(str, self._want.states))})"


def _telling(ways: Sequence[Sequence[Pick]]) -> Sequence[Sequence[Pick]]:
    """Leave out the state alone, if there is another way: each of those names the state as well."""
    return ways[:-1] if len(ways) > 1 and not ways[-1][0].field else ways


def _side_of(priority: int | None, sides: Sequence[str]) -> int:
    """Give the place among the sides of the default's priority where one stands."""
    if priority is None:
        return 0
    sign = "=" if priority == PRIORITY_DEFAULT else "<" if priority < PRIORITY_DEFAULT else ">"
    return sides.index(sign)


def _with(part: Part, conditions: Iterable[str]) -> Part:
    return part._replace(source=" AND ".join([part.source, *conditions]), narrow="")


def _given(parts: Iterable[Part | Hits]) -> Mapping[str, Any]:
    return {name: value for part in parts for name, value in part.given.items()}
