"""What a start on PostgreSQL refuses, and what it says: against real servers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import postgres
import psycopg
import pytest
from postgres import Cluster, free_port
from processes import taskdashd

from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Moment
from taskdashd.store.database import Database
from taskdashd.store.dialect.postgres import fitness
from taskdashd.store.lock import StoreUnusable

pytestmark = pytest.mark.sqlite("what has both engines by itself")

HBA = """
host all locked 127.0.0.1/32 scram-sha-256
host all barred 127.0.0.1/32 reject
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    hba = cluster.data / "pg_hba.conf"
    hba.write_text(f"{HBA}{hba.read_text()}")
    for role in ("plain", "locked", "barred"):
        run(cluster, f"CREATE ROLE {role} LOGIN PASSWORD 'a secret'")
    run(cluster, "SELECT pg_reload_conf()")
    yield cluster
    cluster.remove()


def run(cluster: Cluster, statement: str, database: str = "postgres") -> None:
    with psycopg.connect(cluster.dsn(database), autocommit=True) as server:
        server.execute(statement)  # type: ignore[call-overload]


def made(cluster: Cluster, name: str, how: str = "") -> str:
    run(cluster, f"CREATE DATABASE {name} {how}")
    return cluster.dsn(name)


def as_(cluster: Cluster, role: str, database: str) -> str:
    return f"postgresql://{role}@127.0.0.1:{cluster.port}/{database}"


def refused(directory: Path, store: str) -> str:
    with pytest.raises(StoreUnusable) as refusal:
        Database.open(directory, store=store).close()
    text = str(refusal.value)
    assert "\n" not in text
    assert "a secret" not in text
    return text


def test_what_cannot_be_reached_is_said_in_one_sentence(cluster: Cluster, tmp_path: Path) -> None:
    made(cluster, "there")
    given = {
        as_(cluster, "nobody", "there"): ('role "nobody" does not exist', "CREATE ROLE"),
        cluster.dsn("nowhere"): ('database "nowhere" does not exist', "CREATE DATABASE"),
        "postgresql://taskdash@no-such-host.invalid/x": ("no-such-host.invalid",),
        "postgresql://taskdash@127.0.0.1:1,127.0.0.1:2/x": (
            *("127.0.0.1:1,127.0.0.1:2/x", "port 1 failed", "port 2 failed"),
        ),
        as_(cluster, "locked", "there"): ("no password supplied", "PGPASSFILE"),
        as_(cluster, "barred", "there"): ("pg_hba.conf",),
        "postgresql://taskdash@127.0.0.1/x?sslmoed=1": ("no address of a database", "sslmoed"),
        "postgresql:///?service=nosuch": ("nosuch",),
    }
    for store, words in given.items():
        text = refused(tmp_path, store)
        assert all(word in text for word in words), text
    assert list(tmp_path.glob("*.db*")) == []


def test_the_command_says_it_and_exits_with_1(cluster: Cluster, tmp_path: Path) -> None:
    told = taskdashd("run", "--data", tmp_path, "--store", cluster.dsn("nowhere"))
    assert told.returncode == 1
    assert 'database "nowhere" does not exist' in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_holds_no_utf_8_is_refused(
    cluster: Cluster, tmp_path: Path, encoding: str
) -> None:
    store = made(cluster, encoding.lower(), f"TEMPLATE template0 ENCODING '{encoding}'")
    assert f"is encoded in {encoding}" in refused(tmp_path, store)


def test_a_role_needs_a_schema_of_its_own(cluster: Cluster, tmp_path: Path) -> None:
    """The role makes one where it may, and takes one that was made for it."""
    whole = made(cluster, "shared")
    store = as_(cluster, "plain", "shared")
    assert "CREATE SCHEMA taskdash AUTHORIZATION plain" in refused(tmp_path, store)
    run(cluster, "CREATE SCHEMA taskdash AUTHORIZATION plain", "shared")
    Database.open(tmp_path, store=store).close()
    Database.open(tmp_path, store=store).close()
    run(cluster, "ALTER SCHEMA taskdash OWNER TO taskdash", "shared")
    assert "belongs to the role taskdash, and not to plain" in refused(tmp_path, store)
    Database.open(tmp_path, store=whole).close()


@pytest.mark.parametrize("table", ["TABLE task (id int)", "VIEW customer AS SELECT 1 AS one"])
def test_a_schema_of_somebody_elses_is_left_alone(
    cluster: Cluster, tmp_path: Path, table: str
) -> None:
    name = f"foreign_{table.split()[1]}"
    store = made(cluster, name)
    run(cluster, f"CREATE SCHEMA taskdash CREATE {table}", name)
    text = refused(tmp_path, store)
    assert f"holds what taskdashd has not made, such as {table.split()[1]}" in text
    with psycopg.connect(store) as look:
        tables = look.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'taskdash'::regnamespace"
        )
        assert tables.fetchall() == [(table.split()[1],)]


def test_a_database_of_a_newer_version_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    store = made(cluster, "newer")
    Database.open(tmp_path, store=store).close()
    later = "INSERT INTO taskdash.schema_migration VALUES (99, '0099_later', now())"
    run(cluster, later, "newer")
    assert "was written by a newer taskdashd (schema 0099_later)" in refused(tmp_path, store)


def test_a_server_that_does_not_sync_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    store = made(cluster, "unsynced")
    run(cluster, "ALTER SYSTEM SET fsync = off")
    run(cluster, "SELECT pg_reload_conf()")
    try:
        assert "fsync = off" in refused(tmp_path, store)
    finally:
        run(cluster, "ALTER SYSTEM RESET fsync")
        run(cluster, "SELECT pg_reload_conf()")
    Database.open(tmp_path, store=store).close()


def test_a_commit_is_synced_where_the_server_syncs_none(cluster: Cluster, tmp_path: Path) -> None:
    """Also after a connection was lost: the setting is each connection's own."""
    store = made(cluster, "lazy")
    run(cluster, "ALTER DATABASE lazy SET synchronous_commit = off")
    with closing(Database.open(tmp_path, store=store)) as database:
        writer: Any = database.engine.writer
        for _ in range(2):
            assert writer.execute_sql("SHOW synchronous_commit").fetchone() == ("on",)
            writer.live().close()


def test_an_old_server_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian has no such server: the oldest that is good enough is moved up instead."""
    store = made(cluster, "aged")
    monkeypatch.setattr(fitness, "_SERVER_MIN", 10**9)
    assert "is older than PostgreSQL 13" in refused(tmp_path, store)


def test_a_daemon_on_a_file_fetches_no_driver(tmp_path: Path) -> None:
    """Ten megabytes, where psycopg is installed: peewee fetches what there is."""
    code = (
        "import sys, pathlib, taskdashd.daemon; from taskdashd.store.database import Database;"
        f" Database.open(pathlib.Path({str(tmp_path)!r})).close();"
        " print([one for one in sys.modules if one.startswith('psycopg')])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout == "[]\n", told.stderr


# Poolers


@pytest.fixture
def pooler(cluster: Cluster) -> Iterator[Any]:
    """Give what starts pgbouncer before the cluster in a pool mode, and says its port."""
    running: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> int:
        port = free_port()
        config = cluster.directory / f"{mode}.ini"
        config.write_text(
            "[databases]\n"
            f"pooled = user={postgres.USER} host=127.0.0.1 port={cluster.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\n"
        )
        # Written as root, by whatever umask a test before has left.
        config.chmod(0o644)
        log = (cluster.directory / f"{mode}.log").open("wb")
        command = ["pgbouncer", str(config)]
        running.append(subprocess.Popen(command, stderr=log, stdout=log, **cluster._as))
        log.close()
        while True:
            assert running[-1].poll() is None, (cluster.directory / f"{mode}.log").read_text()
            try:
                psycopg.connect(f"postgresql://taskdash@127.0.0.1:{port}/pooled").close()
            except psycopg.OperationalError:
                continue
            return port

    yield start
    for one in running:
        one.kill()
        one.wait()


def test_a_pooler_must_give_each_connection_a_session_of_its_own(
    cluster: Cluster, tmp_path: Path, pooler: Any
) -> None:
    made(cluster, "pooled")
    for mode in ("transaction", "statement"):
        port = pooler(mode)
        text = refused(tmp_path, f"postgresql://taskdash@127.0.0.1:{port}/pooled")
        assert "is a pooler" in text and "pool_mode = session" in text
    store = f"postgresql://taskdash@127.0.0.1:{pooler('session')}/pooled"
    with closing(Database.open(tmp_path, store=store)) as database:
        rev = write(database, "one")
        assert database.load(["one"], []).keys() == {"one"}, rev


def write(database: Database, task_id: str) -> int:
    """Start, and store a task."""
    opened = database.start()
    request = Register.parse({"id": task_id, "name": "n"})
    at = "2026-01-01T00:00:00.000Z"
    moment = Moment(opened.last_rev + 1, at)
    database.append([tasks.register(None, request, Author(1, "me"), moment)])
    database.fold(moment.rev)
    return moment.rev


# Replicas


def test_a_replica_is_refused_and_passed_over(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made(cluster, "doubled")
    replica = postgres.Replica(cluster, "standby")
    try:
        text = refused(tmp_path, f"postgresql://taskdash@127.0.0.1:{replica.port}/doubled")
        assert "replica" in text and "all hosts in one" in text
        both = f"127.0.0.1:{replica.port},127.0.0.1:{cluster.port}"
        capfd.readouterr()
        with closing(Database.open(tmp_path, store=f"postgresql://taskdash@{both}/doubled")) as one:
            assert both in one.engine.where
            write(one, "passed")
        assert "synchronous_standby_names is empty" in capfd.readouterr().out
    finally:
        replica.remove()


def test_a_synchronous_replica_that_takes_over_has_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    primary = Cluster()
    try:
        made(primary, "doubled")
        replica = postgres.Replica(primary, "standby")
        run(primary, "ALTER SYSTEM SET synchronous_standby_names = standby")
        run(primary, "SELECT pg_reload_conf()")
        both = f"127.0.0.1:{primary.port},127.0.0.1:{replica.port}"
        store = f"postgresql://taskdash@{both}/doubled"
        with closing(Database.open(tmp_path, store=store)) as database:
            rev = write(database, "kept")
            primary.stop("immediate")
            replica.promote()
        with closing(Database.open(tmp_path, store=store)) as database:
            assert database.start().last_rev >= rev
            assert database.load(["kept"], []).keys() == {"kept"}
        replica.remove()
    finally:
        primary.remove()
