"""Faults 2, 3, 8 and 12: the daemon dies at the worst moments, of power loss, for lack of memory.

Each death is put in from outside, by a program that starts the daemon with a part of it changed.
"""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from postgres import standing
from processes import last_lines

from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Moment
from taskdashd.store import backup
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.migrating import MIGRATIONS

from .conftest import Start
from .wire import Client, Gone, WiredDaemon, pace, request

# DIE_AT names the point, DIE_AFTER the commit that is its last.
DYING = """
import os, sys
from taskdashd.store.database import Database
from taskdashd.store.writer import Writer
at, left = os.environ["DIE_AT"], [int(os.environ["DIE_AFTER"])]
append, finish = Database.append, Writer._finish
def counted(self, changes, *beside):
    left[0] -= bool(changes)
    append(self, changes, *beside)
    if at == "after the commit" and left[0] <= 0:
        os._exit(9)
def told(self, entry, result):
    if at == "before the reply" and left[0] <= 0:
        os._exit(9)
    finish(self, entry, result)
Database.append, Writer._finish = counted, told
def spied(execute, within):
    def run(self, statement, *more, **named):
        if at == "before the commit" and left[0] <= 0 and str(statement).startswith("COMMIT"):
            os._exit(9)
        done = execute(self, statement, *more, **named)
        if at == "within the commit" and left[0] <= 0 and within in str(statement):
            os._exit(9)
        return done
    return run
if "--store" in sys.argv:
    from taskdashd.store.dialect.postgres.session import Wire
    Wire.execute = spied(Wire.execute, "UPDATE state SET rev")
else:
    from taskdashd.store.dialect.sqlite.engine import Connection
    Connection.execute_sql = spied(Connection.execute_sql, "INSERT INTO change")
    commit = Connection.commit
    def committing(self):
        if at == "before the commit" and left[0] <= 0:
            os._exit(9)
        return commit(self)
    Connection.commit = committing
from taskdashd.cli import main
sys.argv[0] = "taskdashd"
main()
"""

# On SIGUSR1 the power fails: of the bytes written to a file since its last sync, any part is lost.
FORGETFUL_DISK = """
import os, random, signal, sys, threading, time
import apsw
chance, dead, files = random.Random(int(os.environ["SEED"])), threading.Event(), {}
class File(apsw.VFSFile):
    def __init__(self, vfs, name, flags):
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.unsynced = []
        super().__init__("unix", name, flags)
        if self.path and not self.path.endswith("-shm"):
            files.setdefault(self.path, []).append(self)
    def xWrite(self, data, offset):
        while dead.is_set():
            time.sleep(60)
        size = super().xFileSize()
        old = super().xRead(min(len(data), max(0, size - offset)), offset) if size > offset else b""
        self.unsynced.append((offset, old, len(data), size))
        super().xWrite(data, offset)
    def xTruncate(self, size):
        while dead.is_set():
            time.sleep(60)
        was = super().xFileSize()
        old = super().xRead(was - size, size) if was > size else b""
        self.unsynced.append((size, old, len(old), was))
        super().xTruncate(size)
    def xSync(self, flags):
        while dead.is_set():
            time.sleep(60)
        super().xSync(flags)
        for other in files.get(self.path, ()):
            other.unsynced.clear()
class VFS(apsw.VFS):
    def __init__(self):
        super().__init__("forgetful", "unix", makedefault=True)
    def xOpen(self, name, flags):
        return File("unix", name, flags)
vfs = VFS()
def lose(path, unsynced):
    fd = os.open(path, os.O_RDWR)
    everything, kept = chance.random() < 0.5, []
    for offset, old, length, size in reversed(unsynced):
        overlaps = any(offset < end and start < offset + length for start, end in kept)
        if not everything and (overlaps or chance.random() < 0.5):
            kept.append((offset, offset + length))
            continue
        os.pwrite(fd, old, offset)
        if everything:
            os.ftruncate(fd, max(size, 0))
    os.close(fd)
def power_fails(*_):
    dead.set()
    lost = 0
    for path, opened in files.items():
        for file in opened:
            if file.unsynced:
                lost += len(file.unsynced)
                lose(path, file.unsynced)
    os.write(2, f"lost {lost}\\n".encode())
    os._exit(9)
signal.signal(signal.SIGUSR1, power_fails)
from taskdashd.cli import main
sys.argv[0] = "taskdashd"
main()
"""

# Runs the real migrations, and dies at the statement with the number DIE_AFTER.
MIGRATING = """
import os, sys
from pathlib import Path
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.database import Database
left, execute = [int(os.environ["DIE_AFTER"])], dialect.Connection.execute_sql
def counted(self, sql, *more):
    left[0] -= 1
    if left[0] < 0:
        os._exit(9)
    return execute(self, sql, *more)
dialect.Connection.execute_sql = counted
Database.open(Path(sys.argv[1])).close()
"""


# Forgets a tree in a commit that also makes one of its tasks anew, and dies at the call of SQLite
# with the number DIE_AFTER within it.
FORGETTING = """
import os, sys
from functools import partial
from pathlib import Path
from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Moment
from taskdashd.store import forgetting
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.database import Database
from taskdashd.store.forgetting import Place, Tree
left, execute, commit = [10**9], dialect.Connection.execute_sql, dialect.Connection.commit
def counted(call):
    def counting(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return call(self, *arguments)
    return counting
dialect.Connection.execute_sql, dialect.Connection.commit = counted(execute), counted(commit)
database = Database.open(Path(sys.argv[1]))
rev = database.start().last_rev
page = database.look(partial(forgetting.page, "2027", Place(), 10))
tree = Tree(next(iter(page.trees)))
database.look(partial(tree.look_on, "2027"))
assert tree.may_go and len(tree.ids) == 3
removal = database.look(partial(forgetting.removal, tree.ids[::-1], int(sys.argv[2])))
new = Register.parse({"id": "leaf", "name": "new"})
changes = [tasks.register(None, new, Author(1, "me"), Moment(rev + 1, "2027-01-01T00:00:00.000Z"))]
left[0] = int(os.environ["DIE_AFTER"])
database.append(changes if removal.going else [], removals=[removal])
if left[0] >= 0:
    os._exit(0)
"""


def _load(client: Client, turn: int, count: int) -> list[str]:
    """Send writes until the daemon is gone; give the ids that it has acknowledged."""
    ids = [f"t{turn}-{number}" for number in range(count)]
    client.send(b"".join(request("Register", {"id": one, "name": one * 20}) for one in ids))
    acknowledged: list[str] = []
    try:
        while len(acknowledged) < count:
            answer = client.reply()
            assert answer["errid"] == 0, answer
            acknowledged.append(answer["id"])
    except (Gone, OSError):
        pass
    return acknowledged


def _found(daemon: WiredDaemon, ids: list[str]) -> list[str]:
    with daemon.connect() as client:
        return [one for one in ids if client.call("Find", {"id": one})["errid"] == 0]


def _is_sound(data: Path) -> bool:
    with sqlite3.connect(data / DATABASE_NAME) as database:
        (told,) = database.execute("PRAGMA integrity_check").fetchone()
    database.close()
    return bool(told == "ok")


@pytest.mark.fault(2)
@pytest.mark.parametrize("rows", [8, 32])
@pytest.mark.parametrize("after", [1, 2, 5])
@pytest.mark.parametrize(
    "at", ["within the commit", "before the commit", "after the commit", "before the reply"]
)
def test_death_at_a_point(
    at: str, after: int, rows: int, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is there whole or not at all; it is there if any write of it was acknowledged."""
    monkeypatch.setenv("DIE_AT", at)
    monkeypatch.setenv("DIE_AFTER", str(after))
    daemon = start(command=(sys.executable, "-c", DYING), commit_rows=rows)
    with daemon.connect() as client:
        acknowledged = _load(client, 0, 200)
    assert daemon.wait() == 9
    again = start()
    found = _found(again, [f"t0-{number}" for number in range(200)])
    # The writes found are the first that were sent, and no part of a commit.
    assert found == [f"t0-{number}" for number in range(len(found))]
    assert len(found) >= len(acknowledged)
    commits = after - 1 if at in ("within the commit", "before the commit") else after
    # Not every commit of 32 is full: the daemon reads what was sent in pieces.
    assert len(found) == commits * rows or (rows == 32 and len(found) < commits * rows)
    assert again.stop() == 0
    assert standing(again.data) or _is_sound(again.data)
    assert not backup.check(again.data, *standing(again.data))


def _last_words(daemon: WiredDaemon) -> str:
    return str(daemon.log[-1]["text"])


def _lose_power(start: Start, rounds: int, monkeypatch: pytest.MonkeyPatch) -> int:
    acknowledged: list[str] = []
    lost = 0
    for turn in range(rounds):
        monkeypatch.setenv("SEED", str(turn))
        # Commit few rows at a time, so that log, fold and checkpoint are all under way.
        daemon = start(command=(sys.executable, "-c", FORGETFUL_DISK), commit_rows=16, fold_lag=40)
        client = daemon.connect()
        chance = random.Random(turn)
        count = chance.randrange(20, 400)
        ids = [f"t{turn}-{number}" for number in range(count)]
        client.send(b"".join(request("Register", {"id": one, "name": one * 50}) for one in ids))
        for _ in range(chance.randrange(1, count)):
            answer = client.reply()
            assert answer["errid"] == 0, answer
            acknowledged.append(answer["id"])
        if turn % 2:
            # Pause: the fold is then brought forward without a sync, and lost with the power.
            pace(0.7)
        daemon.signal(signal.SIGUSR1)
        assert daemon.wait() == 9
        lost += int(_last_words(daemon).removeprefix("lost "))
        client.close()
        assert _is_sound(daemon.data), f"round {turn}"
    again = start()
    assert _found(again, acknowledged) == acknowledged
    assert again.stop() == 0
    assert not backup.check(again.data)
    return lost


@pytest.mark.sqlite("a disk that forgets under the file")
@pytest.mark.fault(3)
def test_power_loss(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that forgets what was not synced: acknowledged writes are there, the file is sound."""
    assert _lose_power(start, 4, monkeypatch) > 0


@pytest.mark.sqlite("a disk that forgets under the file")
@pytest.mark.soak
@pytest.mark.fault(3)
def test_power_loss_50_times(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, 50 times."""
    assert _lose_power(start, 50, monkeypatch) > 0


@pytest.mark.sqlite("the statements of its transactions")
@pytest.mark.fault(2)
@pytest.mark.parametrize(("cost_max", "revs_after"), [(100, [13, 14]), (4, None)])
def test_death_at_each_statement_of_a_forgetting(
    cost_max: int, revs_after: list[int] | None, tmp_path: Path
) -> None:
    """The tasks are there with all their rows, or gone with them; what was written likewise."""
    old = tmp_path / "old"
    old.mkdir()
    database = Database.open(old)
    database.start()
    written: dict[str, tasks.Task] = {}
    changes = []
    # The leaf's history is too long to go at once where the cost is bounded to 4.
    for rev, task_id in enumerate(["root", "part"] + ["leaf"] * 10 + ["other"], 1):
        fields = {"id": task_id, "name": "n", "status": "finish"}
        fields["parent_id"] = {"part": "root", "leaf": "part"}.get(task_id, "")
        request = Register.parse(fields | ({"status": "running"} if task_id == "other" else {}))
        moment = Moment(rev, "2026-01-01T00:00:00.000Z")
        changes.append(tasks.register(written.get(task_id), request, Author(1, "me"), moment))
        written[task_id] = changes[-1].task
    database.append(changes)
    database.fold(13)
    database.close()
    seen: list[list[int]] = []
    for after in range(100):
        data = tmp_path / f"d{after}"
        shutil.copytree(old, data)
        env = {**os.environ, "DIE_AFTER": str(after)}
        command = [sys.executable, "-c", FORGETTING, str(data), str(cost_max)]
        done = subprocess.run(command, env=env, capture_output=True, timeout=60)
        assert done.returncode in (0, 9), last_lines(done.stderr.decode())
        assert not backup.check(data)
        with sqlite3.connect(data / DATABASE_NAME) as file:
            revs = [rev for (rev,) in file.execute("SELECT rev FROM change ORDER BY rev")]
            ids = {one for (one,) in file.execute("SELECT id FROM task")}
        file.close()
        if seen[-1:] != [revs]:
            seen.append(revs)
        assert ids == ({"other"} if revs == revs_after else {"root", "part", "leaf", "other"})
        shutil.rmtree(data)
        if done.returncode == 0:
            break
    assert after >= 5
    shorter = [*range(1, 9), 12, 13]
    assert seen == [list(range(1, 14)), shorter if revs_after is None else revs_after]


@pytest.mark.soak
@pytest.mark.fault(8)
def test_out_of_memory(start: Start) -> None:
    """RLIMIT_AS under heavy requests: they fail, and the daemon lives, or starts again clean."""
    daemon = start()
    stored: list[str] = []
    with daemon.connect() as client:
        for number in range(60):
            body = {"id": f"t{number}", "name": "x" * 500_000, "status": "finish"}
            stored += [body["id"]] if client.call("Register", body)["errid"] == 0 else []
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    size = next(int(line.split()[1]) for line in status.splitlines() if "VmSize" in line) << 10
    hard = resource.prlimit(daemon.pid, resource.RLIMIT_AS)[1]
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (size + (4 << 20), hard))
    greedy: list[Client] = []
    try:
        for _ in range(20):
            client = daemon.connect()
            greedy.append(client)
            client.send(request("Watch", {"since": 0}) + request("Query", {"limit": 1000}) * 20)
            client.send(request("Register", {"id": "big", "name": "y" * 900_000}))
        for client in greedy:
            _drink(client)
    except (OSError, Gone):
        pass
    finally:
        for client in greedy:
            client.close()
    if daemon.exit_code is None:
        resource.prlimit(daemon.pid, resource.RLIMIT_AS, (hard, hard))
        assert _found(daemon, stored) == stored
        assert daemon.stop() == 0
    again = start()
    assert _found(again, stored) == stored
    assert again.stop() == 0
    assert _is_sound(again.data)


def _drink(client: Client) -> None:
    """Read until nothing more comes."""
    try:
        for _ in range(200):
            client.receive(0.3)
            client.replies.clear()
            client.events.clear()
    except TimeoutError:
        return


@pytest.mark.sqlite("the statements of its transactions")
@pytest.mark.soak
@pytest.mark.fault(12)
def test_a_migration_killed_at_each_statement(start: Start, tmp_path: Path) -> None:
    """The schema is the old one or the new one, and the next start finishes the migration."""
    old = _of_the_first_schema(tmp_path / "old")
    deaths = 0
    for after in range(1000):
        data = tmp_path / f"d{after}"
        data.mkdir()
        for path in old.iterdir():
            (data / path.name).write_bytes(path.read_bytes())
        env = {**os.environ, "DIE_AFTER": str(after)}
        command = [sys.executable, "-c", MIGRATING, str(data)]
        code = subprocess.run(command, env=env, capture_output=True, timeout=60).returncode
        deaths += code == 9
        with sqlite3.connect(data / DATABASE_NAME) as database:
            columns = {row[1] for row in database.execute("PRAGMA table_info(change)")}
            applied = {row[0] for row in database.execute("SELECT name FROM schema_migration")}
        database.close()
        assert ("crc" in columns) == ("0003_checksums" in applied)
        if code == 9:
            done = subprocess.run(
                command, env={**env, "DIE_AFTER": "1000000"}, capture_output=True, timeout=60
            )
            assert done.returncode == 0, last_lines(done.stderr.decode())
        assert not backup.check(data)
        if code == 0:
            break
    assert deaths > 5
    with start(data).connect() as client:
        assert client.good("Find", id="t1")["name"] == "n"


def _of_the_first_schema(data: Path) -> Path:
    """Make a database as the first version left it."""
    script = f"""
import sys, taskdashd.store.database as database
from pathlib import Path
from playhouse.migrations import Runner
from taskdashd.store.dialect.sqlite import engine as dialect
data = Path({str(data)!r})
data.mkdir()
made = dialect.connect(str(data / {DATABASE_NAME!r}))
Runner(made, {str(MIGRATIONS)!r}).up("0001_initial")
for number in range(5):
    body = '{{"id":"t%d","name":"n","url":"","user":"","group_id":"","description":"",' % number
    body += '"status":"finish",'
    body += '"start_time":"","stop_time":"","project_id":"","instance_id":"","task_type":"",'
    body += '"edit_info":"","checker":"","parent_id":"","rev":%d,"epoch":1,' % (number + 1)
    body += '"created_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:00:00.000Z",'
    body += '"shutdown_at":"","status_before_shutdown":"","last_seen":"2026-01-01T00:00:00.000Z"}}'
    made.execute_sql("INSERT INTO change VALUES (?, 0, 'registered', '2026', '', ?, 1, 'x', '', ?)",
        (number + 1, "t%d" % number, body))
made.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    return data
