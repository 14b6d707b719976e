"""What PostgreSQL says in its own way: lists are arrays, and it chooses the index itself."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from taskdashd.domain.search import LIVE, Sought
from taskdashd.store.dialect import rows as stored
from taskdashd.store.dialect.postgres import texts
from taskdashd.store.dialect.sql import HISTORY, TOLD, History, Hits, Rows, Sql

INDEXED_CHARACTERS: Final = 128
"""A row of an index holds 2,704 bytes at most, and a text may be a megabyte: so the indexes have
the beginnings of texts."""


_LONG: Final = frozenset(
    f"t.{name}"
    for name in ("name", "user", "group_id", "project_id", "checker", "parent_id", "url")
)
"""The columns of which the indexes have the beginnings."""


_PAGE: Final = """
SELECT task, crc FROM (
    SELECT c.task, c.crc, wanted.place,
        sum(octet_length(c.task)) OVER (ORDER BY wanted.place) - octet_length(c.task) AS before
    FROM unnest(?::bigint[]) WITH ORDINALITY AS wanted (value, place)
    JOIN change AS c ON c.rev = wanted.value
) AS found WHERE before <= ? ORDER BY place
"""
_HISTORIES: Final = """
SELECT wanted.place - 1, h.rev, h.previous_rev, h.size
FROM unnest(?::text[]) WITH ORDINALITY AS wanted (value, place) CROSS JOIN LATERAL (
    WITH RECURSIVE history (rev, previous_rev, size, steps) AS (
        SELECT c.rev, c.previous_rev, octet_length(c.task), 1
        FROM task AS t JOIN change AS c ON c.rev = t.rev WHERE t.id = wanted.value
        UNION ALL
        SELECT c.rev, c.previous_rev, octet_length(c.task), steps + 1
        FROM history JOIN change AS c ON c.rev = history.previous_rev
    )
    SELECT rev, previous_rev, size, steps FROM history LIMIT ?
) AS h ORDER BY wanted.place, h.steps LIMIT ?
"""


def _begins(column: str) -> str:
    """Name the column that has the beginning of another."""
    return f"{column}_begins"


def _beginning(parameter: str) -> str:
    return f"left({parameter}::text, {INDEXED_CHARACTERS})"


class PostgresSql(Sql):
    """PostgreSQL's way."""

    plans = True

    # LATERAL keeps the order of the recursion, and reads no further than rows are asked for.
    history = f"""
WITH RECURSIVE {HISTORY} SELECT told.* FROM history CROSS JOIN LATERAL (
    SELECT {TOLD} FROM change AS c LEFT JOIN change AS p ON p.rev = c.previous_rev
    WHERE c.rev = history.rev LIMIT 1
) AS told
"""

    def __init__(self) -> None:
        super().__init__()
        self.bodies = """
SELECT c.task, c.crc FROM unnest(?::bigint[]) WITH ORDINALITY AS wanted (value, place)
JOIN change AS c ON c.rev = wanted.value ORDER BY wanted.place
"""

    def page(self, rows: Rows, revs: Iterable[int], bytes_max: int) -> Iterator[Any]:
        """Give the bodies of changes, until there are so many bytes, in one turn."""
        # As a text: psycopg takes as long to make a list of numbers as to fetch the page.
        return rows(_PAGE, (f"{{{','.join(map(str, revs))}}}", bytes_max))

    def listed(self, values: Iterable[object]) -> Any:
        """Give them as they are: psycopg makes an array of a list."""
        return list(values)

    def among(self, expression: str, parameter: str) -> str:
        """Write the condition that a value is one of a list."""
        return f"{expression} = ANY({parameter})"

    def found_among(self, column: str, parameter: str) -> str:
        """Write the condition that a column with an index has one of some values."""
        there = "" if column == "t.group_id" else f"{column} <> '' AND "
        return f"{there}{self.roughly_among(column, parameter)} AND {column} = ANY({parameter})"

    def roughly_among(self, column: str, parameter: str) -> str:
        """Write a condition that an index tells by itself: the beginnings are the same."""
        return f"{_begins(column)} = ANY(beginnings({parameter}))"

    def found_equal(self, column: str, parameter: str) -> str:
        """Write the condition that a column with an index has a value."""
        return f"{_begins(column)} = {_beginning(parameter)} AND {column} = {parameter}"

    def sorted_by(self, expression: str, direction: str) -> str:
        """Write by what an index gives its tasks in order: the beginning of a text first."""
        if expression not in _LONG:
            return super().sorted_by(expression, direction)
        return f"{_begins(expression)} {direction}, {expression} {direction}"

    def reached(self, expression: str, sign: str, parameter: str) -> str:
        """Write what helps an index to begin behind a value; a condition before others, or none."""
        if expression not in _LONG:
            return ""
        return f"{_begins(expression)} {sign}= {_beginning(parameter)} AND "

    def each(self, parameter: str, kind: str) -> str:
        """Write the source of a row for each of a list."""
        return f"unnest({parameter}::{kind}[]) AS wanted (value)"

    def by(self, _index: str) -> str:
        """Say nothing: it has statistics, and chooses by them."""
        return ""

    def unhelped(self, expression: str) -> str:
        """Write an expression as it is."""
        return expression

    def member(self, column: str, name: str) -> str:
        """Write the expression that takes a member out of a column of JSON.

        By a function of ours: a NUL in a member that nobody asks for would else fail it.
        """
        number = "::bigint" if name == "epoch" else ""
        return f"member({column}, '{name}'){number}"

    def has_words(self, sought: Sought) -> tuple[str, dict[str, Any]]:
        """Test the folded text of the task."""
        tests: list[str] = []
        given: dict[str, Any] = {}
        for number, (word, (people, states)) in enumerate(sought.words.items()):
            given[f"word{number}"] = word
            ways = [f"strpos(x.text, :word{number}) > 0"]
            if people:
                given[f"people{number}"] = list(people)
                ways += [f"t.{column} = ANY(:people{number})" for column in ("user", "checker")]
            if states:
                places = {0 if one == LIVE else stored.STATES.index(one) for one in states}
                ways.append(f"t.state IN ({', '.join(map(str, sorted(places)))})")
            tests.append(f"({' OR '.join(ways)})")
        return f"(SELECT {' AND '.join(tests)} FROM task_text AS x WHERE x.id = t.id)", given

    def hits(self, rows: Rows, sought: Sought) -> Hits | None:
        """Give what to ask the index of grams for; None where no word is long enough."""
        return texts.hits(rows, sought)

    def unindexed(self, rows: Rows) -> str:
        """Give the condition of tasks that the index of texts has not yet."""
        rev = texts.lagging(rows)
        return "" if rev is None else f"{{rev}} > {rev}"

    def histories(self, rows: Rows, ids: Sequence[str], rows_max: int) -> list[History]:
        """Give the rows of the log of some tasks: of each the newest first, one after another."""
        return list(rows(_HISTORIES, (list(ids), rows_max, rows_max)))
