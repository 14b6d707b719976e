"""A file of an older version becomes what a new file would be after the same changes."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import apsw
from playhouse.migrations import Runner

from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Register, Update
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.store import backup, dialect
from taskdashd.store.database import DATABASE_NAME, MIGRATIONS, Database

FOLDED = """
id, rev, state, heartbeat_timeout, status, user, group_id, project_id, checker, parent_id, url,
rank, queue, made_by, at, kind
"""
AT = "2026-01-01T00:00:0{}.000Z"
ME = Author(1, "me")


def history() -> list[Change]:
    """Give changes of tasks of all kinds: who was people's once, who has the daemon's new words."""
    known: dict[str, tasks.Task] = {}
    made: list[Change] = []
    for sent in (
        {"id": "plain", "name": "n"},
        {"id": "part", "name": "n", "parent_id": "plain", "checker": "x"},
        {"id": "claimed", "name": "n", "status": "待领取"},
        {"id": "claimed", "status": "finish"},
        {"id": "draft", "name": "n", "status": "草稿"},
        {"id": "queued", "name": "n", "status": "待执行"},
        {"id": "queued", "heartbeat_timeout": 5},
    ):
        task_id = str(sent["id"])
        moment = Moment(len(made) + 1, AT.format(len(made)))
        if task_id in known:
            change = tasks.update(known[task_id], Update.parse(sent), ME, moment)
        else:
            change = tasks.register(None, Register.parse(sent), ME, moment)
        known[task_id] = change.task
        made.append(change)
    return made


def of_schema(data: Path, last: str) -> Path:
    """Make a database of an older schema, and return its file."""
    old = data / "migrations"
    shutil.copytree(MIGRATIONS, old)
    for one in old.glob("0*.py"):
        if one.name[:4] > last:
            one.unlink()
    database = dialect.connect(str(data / DATABASE_NAME))
    Runner(database, str(old)).up()
    database.close()
    return data / DATABASE_NAME


def folded(path: Path) -> Sequence[object]:
    with closing(apsw.Connection(str(path))) as database:
        return database.execute(f"SELECT {FOLDED} FROM task ORDER BY id").fetchall()


def test_an_older_file_is_as_if_it_had_always_been_new(tmp_path: Path) -> None:
    """Folded before the migration or after it: the table is the same, but for what a client wrote.

    A client's `tree` and `job` of before are no fields of the daemon's.
    """
    changes = history()
    for folded_rev in (0, 4, len(changes)):
        data = tmp_path / f"old-{folded_rev}"
        data.mkdir()
        path = of_schema(data, "0004")
        with closing(apsw.Connection(str(path))) as database, database:
            for change in changes:
                task = change.task
                body = strictjson.loads(task.body)
                body |= {"tree": {"made_by": "client", "rank": "z"}, "job": {"queue": "client"}}
                row = (
                    *(task.rev, change.previous.rev if change.previous else 0, change.kind),
                    *(change.at, "", task.id, task.owner, task.holder, ""),
                    *(strictjson.dumps(body).decode(), None),
                )
                database.execute(f"INSERT INTO change VALUES ({', '.join('?' * 11)})", row)
            database.execute(
                """INSERT INTO task SELECT task_id, max(rev), task->>'status' NOT IN
                   ('finish', '待领取'), task->>'heartbeat_timeout', task->>'status', '', '', '',
                   task->>'checker' FROM change WHERE rev <= ? GROUP BY task_id""",
                (folded_rev,),
            )
            database.execute("UPDATE state SET folded_rev = ?", (folded_rev,))
        opened = Database.open(data)
        opened.start()
        assert all("tree" not in str(task.body) for task in opened.load(["part"], []).values())
        assert opened.load(["claimed"], [])["claimed"].kind == "people"
        opened.close()
        assert backup.check(data) == []

        fresh = tmp_path / f"new-{folded_rev}"
        fresh.mkdir()
        new = Database.open(fresh)
        new.append(changes)
        new.start()
        new.close()
        assert folded(path) == folded(fresh / DATABASE_NAME)
        backup.repair(data)
        again = Database.open(data)
        again.start()
        again.close()
        assert folded(path) == folded(fresh / DATABASE_NAME)
