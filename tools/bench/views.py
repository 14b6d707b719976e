"""Views and orders of many tasks, and searches: milliseconds of processor, and the plan of each."""

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

import office

from taskdash_protocol.families.tasks import Query
from taskdashd.domain import search
from taskdashd.domain.access import Sight
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME

ROUNDS: Final = 3
PAGE_BYTES: Final = 1 << 20
SIGHT: Final = Sight(frozenset({"", "group-003", "group-120"}), "10050")
"""A person of a large group and a small one."""
COLUMNS: Final = {
    "column: waits": ["草稿", "待批准", "待触发", "待执行"],
    "column: free": ["待领取", "pending"],
    "column: claimed": ["已领取"],
    "column: review": ["待审核", "review"],
    "column: dead": ["shutdown", "failed"],
    "column: done": ["finish", "finished", "cancelled"],
}
PLACES: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    **{name: {"status": values} for name, values in COLUMNS.items()},
    "class live": {"class": "live"},
    "class waiting": {"class": "waiting"},
    "status running": {"status": "running"},
    "group, large": {"group_id": office.GROUPS[0]},
    "group, small": {"group_id": office.GROUPS[-1]},
    "group, done": {"group_id": office.GROUPS[-1], "status": ["finish", "cancelled"]},
    "project, large": {"project_id": office.PROJECTS[0]},
    "project, small": {"project_id": office.PROJECTS[-1]},
    "user": {"user": office.PEOPLE[0]},
    "nobody's": {"user": ""},
    "checker": {"checker": office.PEOPLE[0]},
    "parts of a batch": {"parent_id": "batch-1000001"},
    "a service's": {"url": office.SERVICES[0]},
    "group and project": {"group_id": office.GROUPS[0], "project_id": office.PROJECTS[-1]},
    "name": {"name": "render 5"},
}
ORDERS: Final = ("rev", "-updated_at", "id", "status", "-user", "group_id", "name", "-created_at")
ORDERED: Final = ("all", "class waiting", "group, large", "group, small", "user")
SOUGHT: Final = {
    "in the oldest task": office.RARE,
    "the same, two characters": office.RARE_CHINESE,
    "in every other task": office.ODD,
    "in the oldest half": office.OLD,
    "two that no task has both of": f"{office.ODD} {office.EVEN}",
    "in a tenth": "render",
    "two in a tenth": "render 渲染",
    "two characters, frequent": "报告",
    "one character": "报",
    "one letter": "e",
    "a person's name": "王小明王",
    "every person's name, and a word": "小明 render",
    "a state": "finished",
    "a state in two words": "to claim",
    "a state, and a word": "处理中 render",
    "nowhere": "nothinglikeit",
    "signs": '"*^ AND (',
    "ten words": " ".join("abcdefghij"),
    "a long word": "x" * 256,
}


class Watched(Database):
    """A database that keeps the plans of the statements that it runs."""

    plans: tuple[str, ...] = ()
    watched = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        read = self.engine.read

        def watching(session: Any, statement: str, parameters: Any) -> Iterator[Any]:
            counts = statement.startswith("SELECT count")
            if self.watched and not counts and statement != self.engine.sql.bodies:
                explain = f"EXPLAIN QUERY PLAN {statement}"
                plan = session.connection().execute(explain, parameters)
                steps = [step for *_, step in plan if re.match("SEARCH|SCAN|MERGE|USE TEMP", step)]
                self.plans += tuple(steps)
            return read(session, statement, parameters)

        self.engine.read = watching  # type: ignore[method-assign]


def plan_of(steps: Sequence[str]) -> str:
    """Say a plan in few words: the indexes that are read, whether merged, whether sorted."""
    text = "; ".join(steps)
    step = r"(SEARCH|SCAN) (?:t|task_text) (?:USING )?(?:COVERING )?(.*?)(?: \(|;|$)"
    found = re.findall(step, text)
    read = dict.fromkeys(
        "index of texts" if "VIRTUAL" in index else f"{how.lower()} {index.removeprefix('INDEX ')}"
        for how, index in found
        if index
    )
    marks = {"MERGE": "merged", "USE TEMP": "sorted"}
    return ", ".join([*read, *(said for mark, said in marks.items() if mark in text)])


def ask(database: Watched, body: dict[str, Any], sight: Sight | None) -> str:
    """Ask for the first page and the next; give the line that says how long each took."""
    people = [(one, office.name_of(n, one)["name"]) for n, one in enumerate(office.PEOPLE)]
    sought = search.sought(body.get("contains", ""), people)
    took, count = [], 0
    for page in range(2):
        best = float("inf")
        for turn in range(ROUNDS):
            database.watched = page == turn == 0
            began = time.thread_time()
            found = database.query(Query.parse(body), PAGE_BYTES, None, sight, sought)
            # The first turn explains its statements as well.
            best = min(best, time.thread_time() - began) if turn or page else best
        took.append(f"{best * 1000:8.1f}")
        count += len(found.rows)
        if found.next is None:
            took += [" " * 8] * (1 - page)
            break
        body = {**body, "after": found.next}
    plan = plan_of(database.plans)
    database.plans = ()
    return f"{took[0]} {took[1]} {count:5}  {plan}"


def table(database: Watched) -> Iterator[str]:
    """Give the lines of the table."""
    yield f"{'':44}   first     next found  plan"
    for seen, sight in (("", None), (", in sight", SIGHT)):
        for name, where in PLACES.items():
            for order in ("-rev", "-updated_at") if not seen else ("-rev",):
                body = {"where": where, "order": order, "limit": 60}
                yield f"{order + ' ' + name + seen:44}{ask(database, body, sight)}"
    for order in ORDERS:
        for name in ORDERED:
            body = {"where": PLACES[name], "order": order, "limit": 60}
            yield f"{order + ' ' + name:44}{ask(database, body, None)}"
    for seen, sight in (("", None), (", in sight", SIGHT)):
        for name, text in SOUGHT.items():
            body = {"contains": text, "order": "-rev", "limit": 60}
            yield f"{'sought: ' + name + seen:44}{ask(database, body, sight)}"
    for order in ("id", "-updated_at", "name"):
        for name in ("in the oldest task", "in the oldest half", "in a tenth"):
            body = {"contains": SOUGHT[name], "order": order, "limit": 60}
            yield f"{order + ' sought: ' + name:44}{ask(database, body, None)}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=Path(gettempdir()) / "taskdash-office")
    options = parser.parse_args()
    if not (options.directory / DATABASE_NAME).exists():
        office.make(options.directory, options.tasks)
    database = Watched.open(options.directory, query_timeout_s=100)
    database.start()
    began, done, rev = time.thread_time(), -1, 0
    while done != rev:
        done, rev = rev, database.index_texts(1_000)
    print(f"{rev:,} tasks; index of texts: {(time.thread_time() - began) / rev * 1e6:.0f} µs each")
    for line in table(database):
        print(line, flush=True)
    database.close()


if __name__ == "__main__":
    main()
