"""A file of an older version becomes what a new file would be after the same changes."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from playhouse.migrations import Runner
from structlog.testing import capture_logs

from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Register, Update
from taskdashd.domain import tasks
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.store import backup, kept
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.migrating import MIGRATIONS
from taskdashd.store.records import Record

pytestmark = pytest.mark.sqlite("files of older versions")

FOLDED = """
id, rev, state, heartbeat_timeout, status, user, group_id, project_id, checker, parent_id, url,
rank, queue, made_by, at, kind, acknowledged, priority, name
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
        assert all(b"tree" not in task for task in opened.load(["part"], []).values())
        assert kept.task("claimed", opened.load(["claimed"], [])["claimed"]).kind == "people"
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


def test_an_upgrade_is_said_before_it_is_done(tmp_path: Path) -> None:
    """Of a million tasks it takes minutes, in which nothing more is said; of a new file none."""
    with capture_logs() as logs:
        Database.open(of_schema(tmp_path, "0009").parent).close()
    (said,) = [one for one in logs if one["event"] == "bringing the database to this version"]
    assert said["steps"][0] == "0010_priority"
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with capture_logs() as logs:
        Database.open(fresh).close()
        Database.open(fresh).close()
    assert not [one for one in logs if "database" in one["event"]]


def test_no_secret_of_a_url_is_left_in_an_older_file(tmp_path: Path) -> None:
    """Nothing else of a row changes by a byte, and a damaged one stays for whoever mends it."""
    secret = "http://me:s3cret@10.0.0.7:8080"
    sent = {
        "plain": {"url": "http://10.0.0.8", "description": f"{secret} is text"},
        "secret": {"url": secret, "more": {"url": "http://a:b@c"}, "odd": '"url":"', "n": 1.50},
        "damaged": {"url": secret},
    }
    data = tmp_path / "data"
    data.mkdir()
    database = Database.open(data)
    database.start()
    changes: list[Change] = []
    for rev, (task_id, fields) in enumerate(sent.items(), 1):
        whole = {**Register.parse({"id": task_id, "name": "n"}).fields, **fields}
        moment = Moment(rev, AT.format(rev))
        changes.append(tasks.register(None, Register(task_id, whole), Author(1, secret), moment))
    records = [
        Record("service", url, {"url": url, "name": name}, rev=4, at=AT.format(4))
        for url, name in ((secret, "old"), ("http://x@pi", "other"), ("http://pi", "kept"))
    ]
    acts = [Act(3, AT.format(5), "service died", f"Cutter ({secret})", "", 1)]
    database.append(changes, acts, records)
    database.fold(len(changes))
    database.close()
    path = data / DATABASE_NAME
    with closing(apsw.Connection(str(path))) as raw, raw:
        raw.execute("UPDATE change SET crc = crc + 1 WHERE task_id = 'damaged'")
        raw.execute("DELETE FROM schema_migration WHERE name LIKE '0006%'")
        before = dict(raw.execute("SELECT task_id, task FROM change"))
    opened = Database.open(data)
    started = opened.start()
    assert {one.key: one.value["name"] for one in started.records} == {
        "http://10.0.0.7:8080": "old",
        "http://pi": "kept",
    }
    assert all(one.value["url"] == one.key for one in started.records)
    opened.close()
    with closing(apsw.Connection(str(path))) as raw:
        after = dict(raw.execute("SELECT task_id, task FROM change"))
        shown = str(raw.execute("SELECT url FROM task").fetchall())
        shown += str(raw.execute("SELECT actor, holder FROM change").fetchall())
        shown += str(raw.execute("SELECT * FROM act").fetchall())
    assert "s3cret" not in shown
    assert after["plain"] == before["plain"]
    assert after["damaged"] == before["damaged"]
    assert after["secret"] == before["secret"].replace("me:s3cret@", "", 1)
    assert len(backup.check(data)) == 1, "only what was damaged before"
