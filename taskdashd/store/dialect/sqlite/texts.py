"""The index of texts, by SQLite's FTS5.

`task_text` has a row for each task whose last change is up to `state.text_rev`; its rowid is that
change's rev, so rows come in the order of revs, newest or oldest first. A task that has changed
since keeps its old row until the index gets there; who asks must skip it. A task that is deleted
takes its row along, by a trigger. The index keeps which sequences of three characters (grams) a
text has, and no text: what it finds is tested against the task itself.
"""

from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any, Final

import orjson

from taskdash_protocol import folding, strictjson
from taskdashd.domain.search import CALLED, PART, Sought, searched, state_of
from taskdashd.store.dialect.sql import Hits, Rows

UNINDEXED: Final = """
SELECT c.rev, CAST(c.task AS BLOB) FROM change AS c CROSS JOIN task AS t
WHERE c.rev > ? AND c.rev <= ? AND t.id = c.task_id AND t.rev = c.rev
"""
UNINDEX: Final = """
DELETE FROM task_text WHERE rowid IN (
    SELECT previous_rev FROM change WHERE rev > ? AND rev <= ? AND previous_rev BETWEEN 1 AND ?
)
"""
INDEX: Final = """
INSERT INTO task_text (rowid, text) SELECT value->>0, value->>1 FROM json_each(?)
"""
EMPTY: Final = (
    "UPDATE state SET text_rev = 0",
    "INSERT INTO task_text (task_text) VALUES ('delete-all')",
)
"""Empty the index; the daemon makes it again while it runs."""
HAS_WORDS: Final = "has_words((SELECT m.task FROM change AS m WHERE m.rev = t.rev))"
MISSING: Final = """
SELECT count(*) FROM task WHERE rev <= (SELECT text_rev FROM state)
AND rev NOT IN (SELECT id FROM task_text_docsize)
"""
LEFT: Final = """
SELECT count(*) FROM task_text_docsize WHERE id NOT IN (SELECT rev FROM task)
AND id NOT IN (SELECT previous_rev FROM change WHERE rev > (SELECT text_rev FROM state))
"""

# Seek from gram to gram: a scan would read all places of each.
_GRAMS_FROM: Final = """
WITH RECURSIVE gram (term) AS (
    SELECT (SELECT term FROM task_gram WHERE term >= :low LIMIT 1)
    UNION ALL
    SELECT (SELECT term FROM task_gram WHERE term >= gram.term || char(1) LIMIT 1)
    FROM gram WHERE gram.term < :high LIMIT :most
)
SELECT term FROM gram WHERE term >= :low AND term < :high
"""
_REVS_OF_GRAMS: Final = """
SELECT json_group_array(DISTINCT doc), count(*)
FROM (SELECT doc FROM task_gram WHERE term >= :low AND term < :high LIMIT :most)
"""

_GRAM: Final = 3
_GRAMS_MAX: Final = 24
"""So many grams of a word are asked for; the test does the rest."""
_BEGINNINGS_MAX: Final = 300
"""So many grams may begin with a word of one or two characters that is asked for by them."""
_PLACES_MAX: Final = 20_000
"""So many places may such a word have that is asked for by these."""
_MARKS: Final = {state: chr(0xE000 + number) for number, state in enumerate(CALLED)}
"""A private character for each state, behind the text of a task: one gram finds all in a state.

Whoever changes CALLED has the index made anew, as migration 9 does.
"""
_PEOPLE_MAX: Final = 64
"""So many people may a word mean that is asked for by their numbers."""


def index(run: Callable[[str, tuple[Any, ...]], Any], rows_max: int) -> int:
    """Index the tasks of some more of the folded log; return the rev up to which all are."""
    done, folded = run("SELECT text_rev, folded_rev FROM state", ()).fetchone()
    to_rev = min(folded, done + rows_max)
    # One statement for all: at each statement, CPython's threads fight for its lock.
    found = [(rev, _text(body)) for rev, body in run(UNINDEXED, (done, to_rev))]
    run(UNINDEX, (done, to_rev, done))
    run(INDEX, (orjson.dumps(found).decode(),))
    run("UPDATE state SET text_rev = ?", (to_rev,))
    return int(to_rev)


def _text(body: bytes) -> str:
    try:
        fields = strictjson.reload(body)
        return searched(fields) + _MARKS[state_of(fields)]
    except ValueError:
        # A damaged row must not stop the index for all others; `check` names it.
        return ""


def test_by(connection: Any, sought: Sought) -> None:
    """Make `has_words(task)` test tasks for what is sought, on a connection of APSW's."""

    def has_words(task: str) -> bool:
        return sought.finds(strictjson.reload(task.encode()))

    connection.create_scalar_function("has_words", has_words, 1)


def hits(rows: Rows, sought: Sought) -> Hits | None:
    """Give what to ask the index for; None where all words are too frequent or too short for it."""
    asked: list[list[str]] = []
    given: dict[str, Any] = {}
    revs: list[str] = []
    for word, (people, states) in sought.words.items():
        if len(people) > _PEOPLE_MAX:
            continue
        have = [_all(f"\n{folding.fold(number)}\n") for number in people]
        have += [_quoted(PART + _MARKS[state]) for state in states]
        if len(word) >= _GRAM:
            asked.append([_any([_all(word), *have])] if have else _grams(word))
            continue
        span = {"low": word, "high": word + chr(0x10FFFF)}
        grams = [
            _quoted(gram) for (gram,) in rows(_GRAMS_FROM, {**span, "most": _BEGINNINGS_MAX + 1})
        ]
        if len(grams) <= _BEGINNINGS_MAX:
            asked.append([_any([*grams, *have])])
        elif not have:
            ((found, places),) = rows(_REVS_OF_GRAMS, {**span, "most": _PLACES_MAX})
            if places < _PLACES_MAX:
                revs.append(found)
    conditions = [f"{{0}} IN (SELECT value FROM json_each(:revs{n}))" for n in range(len(revs))]
    given |= {f"revs{number}": found for number, found in enumerate(revs)}
    if asked:
        # Ask for one gram of each word first: where texts have one word or the other, FTS5 skips
        # them without a look at the rest.
        turns = chain.from_iterable(zip_longest(*asked))
        given["asked"] = " AND ".join(gram for gram in turns if gram)
        conditions.insert(0, "task_text MATCH :asked")
        rev, table, log = "task_text.rowid", "task_text", "CROSS JOIN change AS c "
        same = f"c.rev = {rev} AND "
    elif revs:
        rev, table, log, same = "c.rev", "change AS c", "", ""
    else:
        return None
    where = " AND ".join(conditions).format(rev)
    # The plus keeps SQLite from looking for the task by anything but its id.
    task = f"{same}t.id = c.task_id AND +t.rev = c.rev"
    joined = f"{table} {log}CROSS JOIN task AS t WHERE {where} AND {task}"
    return Hits(f"{table} WHERE {where}", joined, rev, given)


def _grams(text: str) -> list[str]:
    last = len(text) - _GRAM
    apart = max(1, -(-last // (_GRAMS_MAX - 1)))
    return [_quoted(text[at : at + _GRAM]) for at in (*range(0, last, apart), last)]


def _all(text: str) -> str:
    return f"({' AND '.join(_grams(text))})"


def _any(asked: list[str]) -> str:
    # FTS5 has no word for nothing.
    return f"({' OR '.join(asked)})" if asked else '("..." NOT "...")'


def _quoted(gram: str) -> str:
    return '"' + gram.replace('"', '""') + '"'
