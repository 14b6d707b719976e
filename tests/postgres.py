"""A PostgreSQL of the tests' own, on a temporary directory and port, with a database for whoever
asks."""

import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, NamedTuple

import psycopg

PORT_VARIABLE: Final = "TASKDASH_TEST_POSTGRES_PORT"
# SIGQUIT ends a server at once.
_AT_THE_END: Final = """
read _
read pid < "$0/data/postmaster.pid" && kill -QUIT "$pid"
while kill -0 "$pid"; do sleep 0.05; done
rm -rf "$0"
"""
USER: Final = "taskdash"
_TEMPLATE: Final = "migrated"
_WITH_STORE: Final = ("run", "backup", "check", "restore")
"""The commands that are told of the store."""
_NUMBERS: Final = count()
_stands = False


def binaries() -> Path:
    """Give the folder of the newest server's programs. Debian puts none of them on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: one.parts[4])
    assert found, "these tests need PostgreSQL: apt-get install postgresql"
    return found[-1].parent


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Cluster:
    """A server with its data, in a folder or else in memory, where the machine has room there.

    A server whose data is not synced would be faster, and is refused by the daemon; that of a file
    system in memory costs nothing.
    """

    def __init__(self, where: Path | None = None, **settings: str) -> None:
        shm = Path("/dev/shm")
        where = where or (shm if shm.is_dir() else None)
        self.directory = Path(mkdtemp(prefix="postgres-", dir=where))
        self._bin = binaries()
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C"]
        self._run("initdb", "-D", str(self.data), "--no-sync", "--no-instructions", *options)
        told = {"listen_addresses": "127.0.0.1"}
        told |= {"unix_socket_directories": str(self.directory), "max_connections": "200"}
        # The log of what is written stands in memory, too.
        told |= {"max_wal_size": "64MB", "min_wal_size": "32MB"} | settings
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in told.items())
        self.port = self.start_on_free_port(self.data, self.directory / "log")
        # Ends the server when this process ends, however it does: the pipe is closed then.
        self._guardian = subprocess.Popen(
            ["sh", "-c", _AT_THE_END, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C at the terminal is not for this one.
            start_new_session=True,
        )

    @property
    def data(self) -> Path:
        """Where the server keeps its data."""
        return self.directory / "data"

    def dsn(self, database: str, port: int | None = None) -> str:
        """Name a database as a daemon is told of it."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def create(self, database: str = "") -> str:
        """Make an empty database, and name it as a daemon is told of it."""
        database = database or f"made_{next(_NUMBERS)}"
        with self.connect("postgres") as server:
            server.execute(f"CREATE DATABASE {database}")
        return self.dsn(database)

    def connect(self, database: str) -> "psycopg.Connection[Any]":
        """Connect to a database, to look what is there."""
        dsn = self.dsn(database)
        return psycopg.connect(dsn, autocommit=True, options="-c search_path=taskdash,public")

    def start_on_free_port(self, data: Path, log: Path) -> int:
        """Start a server on a port that is still free: another program may have been quicker."""
        for left in reversed(range(5)):
            port = free_port()
            with (data / "postgresql.conf").open("a") as file:
                file.write(f"port = {port}\n")
            try:
                self._run("pg_ctl", "-D", str(data), "-w", "-s", "-l", str(log), "start")
            except AssertionError:
                if not left:
                    raise
            else:
                break
        return port

    def start(self) -> None:
        """Start the server."""
        log = str(self.directory / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "-l", log, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "-m", mode, "stop")

    def is_running(self) -> bool:
        """Tell whether the server takes connections, after it may have crashed by itself."""
        command = [self._bin / "pg_ctl", "-D", str(self.data), "status"]
        return subprocess.run(command, capture_output=True, check=False, **self._as).returncode == 0

    def remove(self) -> None:
        """Stop the server, and remove all that it has."""
        self._guardian.communicate()
        assert not self.directory.exists()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            timeout=60,
            **self._as,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


class Replica:
    """A server that streams from another, of which it is a copy."""

    def __init__(self, primary: Cluster, name: str = "standby") -> None:
        self._primary = primary
        self._data = primary.directory / name
        where = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", USER)
        primary._run("pg_basebackup", "-D", str(self._data), "-R", "-c", "fast", "-N", *where)
        with (self._data / "postgresql.auto.conf").open("a") as file:
            told = f"host=127.0.0.1 port={primary.port} user={USER}"
            file.write(f"primary_conninfo = '{told} application_name={name}'\n")
        self.port = primary.start_on_free_port(self._data, primary.directory / f"{name}.log")

    def promote(self) -> None:
        """Have it take the place of the other."""
        self._primary._run("pg_ctl", "-D", str(self._data), "-w", "-s", "promote")

    def remove(self) -> None:
        """Stop it, and remove all that it has."""
        self._primary._run("pg_ctl", "-D", str(self._data), "-w", "-s", "-m", "immediate", "stop")
        shutil.rmtree(self._data)


def begin() -> Cluster:
    """Start the server that a whole run of tests shares, with a database to copy."""
    from taskdashd.store.deadline import Deadline
    from taskdashd.store.dialect.postgres.engine import PostgresEngine

    cluster = Cluster()
    os.environ[PORT_VARIABLE] = str(cluster.port)
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {_TEMPLATE}")
    # Each database is a copy of one that has the schema: to make that takes longer.
    engine = PostgresEngine.open(cluster.dsn(_TEMPLATE), cluster.directory, 6.0, Deadline(10.0))
    engine.close()
    return cluster


class _Named(NamedTuple):
    """The database of a data directory."""

    name: str
    inode: int | None
    """Number of the directory: one that is removed and made again has another. None before."""


_NAMED: Final[dict[Path, _Named]] = {}


def store_of(directory: Path) -> str:
    """Name the database of a data directory, made the first time that it is asked for."""
    path = Path(os.path.realpath(directory))
    inode = path.stat().st_ino if path.exists() else None
    known = _NAMED.get(path)
    if known is None:
        drop_left()
    if known is None or known.inode not in (None, inode):
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        with _server() as server:
            # A copy of its files takes half the time of one that goes through the log.
            how = " STRATEGY FILE_COPY" if server.info.server_version >= 150_000 else ""
            server.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}{how}")
        if known is not None:
            _NAMED[path / known.name] = known
    else:
        name = known.name
    _NAMED[path] = _Named(name, inode)
    return f"{_whole()}{name}"


def standing(directory: Path) -> tuple[str, ...]:
    """Give the argument that names the store of a data directory; none where that is its file."""
    return (store_of(directory),) if _stands else ()


def emptied(directory: Path) -> None:
    """Remove the database of a data directory, whichever it stands on."""
    drop(directory)
    for path in directory.glob("taskdash.db*"):
        path.unlink()


def rows_of(directory: Path, statement: str) -> list[Any]:
    """Read from the database of a data directory, beside whoever has it open."""
    if _stands:
        options = "-c search_path=taskdash"
        with psycopg.connect(store_of(directory), options=options) as connection:
            return connection.execute(statement.encode()).fetchall()
    with closing(sqlite3.connect(directory / "taskdash.db")) as database:
        return database.execute(statement).fetchall()


def drop(within: Path | None = None) -> None:
    """Remove the databases of the data directories below one, or all that this process has made.

    A database takes eight megabytes of memory.
    """
    root = None if within is None else os.path.realpath(within)
    gone = [path for path in _NAMED if root is None or path.is_relative_to(root)]
    if gone:
        with _server() as server:
            for path in gone:
                server.execute(f"DROP DATABASE {_NAMED.pop(path).name} WITH (FORCE)")


def drop_left() -> None:
    """Remove the databases of directories that are no longer there."""
    for path, named in list(_NAMED.items()):
        if named.inode is not None and not path.exists():
            drop(path)


def _whole() -> str:
    return f"postgresql://{USER}@127.0.0.1:{os.environ[PORT_VARIABLE]}/"


def _server() -> "psycopg.Connection[Any]":
    return psycopg.connect(f"{_whole()}postgres", autocommit=True)


def stand_on_it() -> None:
    """Have every database of this process, and of the daemons that it starts, stand on the server.

    A daemon is told by its command line, whether it is forked or started anew.
    """
    global _stands
    from taskdashd.store import database

    engine_of, begin = database._engine, subprocess.Popen.__init__

    def of_postgres(directory: Path, store: str, lease_s: float, deadline: Any) -> Any:
        return engine_of(directory, store or store_of(directory), lease_s, deadline)

    def begin_on_it(self: Any, args: Any, *more: Any, **named: Any) -> None:
        begin(self, _told(args, named.get("cwd")), *more, **named)

    _stands = True
    database._engine = of_postgres
    subprocess.Popen.__init__ = begin_on_it  # type: ignore[method-assign]


def _told(args: Any, cwd: Any) -> Any:
    """Give the command line of a daemon with the store of its data directory."""
    if not isinstance(args, list | tuple):
        return args
    words = [os.fspath(one) if isinstance(one, os.PathLike) else one for one in args]
    ours = any(
        word in _WITH_STORE and "taskdashd" in str(before) for before, word in pairwise(words)
    )
    if not ours or "--store" in words or "--data" not in words:
        return args
    data = Path(cwd or ".") / words[words.index("--data") + 1]
    return [*args, "--store", store_of(data)]
