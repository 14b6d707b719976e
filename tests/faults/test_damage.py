"""Faults 9 and 10: of a file that the disk has spoilt nothing false is told, but what to do.

tools/test --fault 9 --seconds 60
"""

import json
import random
import shutil
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from processes import taskdashd

from taskdash_protocol.errors import ServerError
from taskdash_protocol.families.operators import Audit
from taskdash_protocol.families.tasks import Query
from taskdashd.store import backup, kept
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.lock import StoreUnusable

from .conftest import Start

pytestmark = pytest.mark.sqlite("a spoilt file")

_TASKS = 60
_SEEDS = 40
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


@pytest.fixture
def spoilable(start: Start, tmp_path: Path) -> Path:
    """The files of a killed daemon: a database and a WAL, both with changes in them."""
    data = tmp_path / "whole"
    daemon = start(data)
    with daemon.connect() as client:
        for number in range(_TASKS):
            client.good(
                "Register", id=f"t{number}", name=f"name of {number} " * 20, status="finish"
            )
    assert daemon.stop() == 0
    daemon = start(data)
    with daemon.connect() as client:
        for number in range(0, _TASKS, 2):
            client.good("Update", id=f"t{number}", own=False, user=f"user {number}", group_id="g")
    daemon.kill()
    return data


def _copy(data: Path, to: Path) -> None:
    # Leave out the operator's socket, which cannot be copied.
    shutil.copytree(data, to, ignore=shutil.ignore_patterns("*.sock"))


def _truths(data: Path, scratch: Path) -> dict[str, set[str]]:
    """Give, for each task, every state that was ever stored."""
    _copy(data, scratch)
    with closing(apsw.Connection(str(scratch / DATABASE_NAME))) as database:
        found: dict[str, set[str]] = {}
        for task_id, text in database.execute("SELECT task_id, task FROM change"):
            found.setdefault(task_id, set()).add(text)
        return found


def _told(data: Path) -> list[str]:
    """Open a directory as the daemon does, and give all that it tells; a refusal is no harm."""
    told: list[str] = []
    with closing(Database.open(data)) as database:
        opened = database.start()
        for number in range(_TASKS):
            try:
                found = database.load([f"t{number}"], ()).items()
                told += [kept.task(*one).body.decode() for one in found]
            except ServerError:
                continue
        try:
            told += [row.body.decode() for row in database.query(Query.parse({}), 1 << 20).rows]
            told += [row.body.decode() for row in database.changes(0, opened.last_rev)]
            database.audit(Audit(), 1 << 20)
        except ServerError:
            pass
    return told


@pytest.mark.fault(9)
def test_nothing_false_is_told_of_a_spoilt_file(
    spoilable: Path, tmp_path: Path, seconds: float | None
) -> None:
    """Bytes flipped and cut, in the database and its WAL: refused, or every state was stored."""
    truths = _truths(spoilable, tmp_path / "scratch")
    refused = seed = 0
    end = time.monotonic() + (seconds or 0)
    while seed < _SEEDS or time.monotonic() < end:
        seed += 1
        chance = random.Random(seed)
        data = tmp_path / "spoilt"
        _copy(spoilable, data)
        path = data / (DATABASE_NAME + chance.choice(("", "-wal")))
        content = bytearray(path.read_bytes())
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(chance.choice((1, 3, 50))):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            told = _told(data)
        except StoreUnusable:
            refused += 1
            told = []
        for text in told:
            assert text in truths.get(json.loads(text)["id"], ()), f"seed {seed}: {text}"
        shutil.rmtree(data)
    print(f"\n{seed} seeds, {refused} refused at the start")


@pytest.mark.fault(9)
def test_the_way_back_from_a_spoilt_file(start: Start, spoilable: Path, tmp_path: Path) -> None:
    """The daemon says so; check finds it; restore moves the file aside and puts a backup there."""
    copy = tmp_path / "copy.db"
    backup.write(spoilable, copy)
    path = spoilable / DATABASE_NAME
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    refused = taskdashd("run", "--listen", "127.0.0.1:0", "--data", spoilable)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "taskdashd restore" in refused.stderr
    assert backup.check(spoilable)
    _, aside, *_ = backup.restore(copy, spoilable, force=True)
    assert aside is not None
    assert b"\xff" * 5000 in (aside / DATABASE_NAME).read_bytes()
    with start(spoilable).connect() as client:
        assert client.good("Find", id="t0")["user"] == "user 0"


@pytest.mark.fault(10)
def test_a_wal_that_ends_anywhere_opens_at_the_last_whole_commit(
    spoilable: Path, tmp_path: Path
) -> None:
    """Cut at every frame and in the middle of each: the changes left are a beginning of the log."""
    whole = (spoilable / f"{DATABASE_NAME}-wal").read_bytes()
    size = _FRAME_HEADER_BYTES + int.from_bytes(whole[8:12], "big")
    revs: list[int] = []
    for cut in range(0, len(whole) + size, size):
        for extra in (0, size // 2):
            data = tmp_path / "cut"
            _copy(spoilable, data)
            left = whole[: _WAL_HEADER_BYTES + cut + extra] if cut else b""
            (data / f"{DATABASE_NAME}-wal").write_bytes(left)
            with closing(Database.open(data)) as database:
                revs.append(database.start().last_rev)
            assert not backup.check(data)
            shutil.rmtree(data)
    assert revs == sorted(revs)
    assert revs[0] == _TASKS
    assert revs[-1] == _TASKS + _TASKS // 2
    assert len(set(revs)) > _TASKS // 4
