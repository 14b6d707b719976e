"""The index of texts, by a GIN index of the sequences of characters that a folded text has.

`task_text` is folded with the tasks, so that each text can be tested; `task_gram` has their grams
up to `state.text_rev`, in steps between commits: they take ten times as long as all else of a fold.
A task that has changed since keeps its old grams until then; who asks must skip it.
"""

from typing import Any, Final

from taskdashd.domain.search import Sought
from taskdashd.store.dialect.postgres.session import Session
from taskdashd.store.dialect.sql import Hits, Rows

_STATE: Final = "SELECT text_rev, folded_rev FROM state"
_STAGE: Final = "CREATE TEMP TABLE IF NOT EXISTS indexing (LIKE task_gram) ON COMMIT DELETE ROWS"
_MERGE: Final = """
INSERT INTO task_gram SELECT * FROM indexing ON CONFLICT (id) DO UPDATE SET grams = excluded.grams
"""
_ESCAPED: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})


def index(session: Session, rows_max: int) -> int:
    """Index the texts of some more of the folded log; return the rev up to which all are."""
    run = session.execute_sql
    done, folded = run(_STATE).fetchone()
    to_rev = min(folded, done + rows_max)
    found = run("SELECT id, text FROM task_text WHERE rev > ? AND rev <= ?", (done, to_rev))
    some = found.fetchall()
    if some:
        run(_STAGE)
        with session.live().cursor().copy("COPY indexing (id, grams) FROM STDIN") as copy:
            for task_id, text in some:
                copy.write_row((task_id, _array(grams(text))))
        run(_MERGE)
    run("UPDATE state SET text_rev = ?", (to_rev,))
    return int(to_rev)


def _array(values: set[str]) -> str:
    # psycopg would take as long for each of them as for the whole text.
    joined = "\0".join(sorted(values)).translate(_ESCAPED).replace("\0", '","')
    return f'{{"{joined}"}}' if values else "{}"


def grams(text: str) -> set[str]:
    """Give the sequences of characters by which a folded text is found.

    Three characters each; two, where they are no letters of ours: most Chinese words have two.
    """
    threes = {text[at : at + 3] for at in range(len(text) - 2)}
    if text.isascii():
        return threes
    return threes | {
        pair for at in range(len(text) - 1) if not (pair := text[at : at + 2]).isascii()
    }


def lagging(rows: Rows) -> int | None:
    """Give the rev up to which texts are indexed; None where all that are folded are."""
    ((text_rev, folded_rev),) = rows(_STATE, {})
    return int(text_rev) if text_rev < folded_rev else None


def hits(rows: Rows, sought: Sought) -> Hits | None:
    """Give what to ask the index for; None where no word is long enough."""
    words = sought.words.items()
    wanted = [grams(word) for word, (people, states) in words if not people and not states]
    asked = sorted(set().union(*wanted))
    if not asked:
        return None
    given: dict[str, Any] = {"grams": asked}
    source = "task_gram AS x WHERE x.grams @> :grams"
    joined = "task_gram AS x CROSS JOIN task AS t WHERE x.grams @> :grams AND t.id = x.id"
    if (rev := lagging(rows)) is not None:
        # What has changed since is found without the index.
        joined += f" AND t.rev <= {rev}"
    return Hits(source, joined, "t.rev", given)
