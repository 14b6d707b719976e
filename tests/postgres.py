"""A PostgreSQL of the tests' own, on a temporary directory and port, with a database for whoever
asks."""

import os
import shutil
import socket
import subprocess
import zlib
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import psycopg

PORT_VARIABLE: Final = "TASKDASH_TEST_POSTGRES_PORT"
USER: Final = "taskdash"
_TEMPLATE: Final = "migrated"


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
        told = {"listen_addresses": "127.0.0.1", **settings}
        told |= {"unix_socket_directories": str(self.directory), "max_connections": "200"}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in told.items())
        self._start_first()

    @property
    def data(self) -> Path:
        """Where the server keeps its data."""
        return self.directory / "data"

    def dsn(self, database: str, port: int | None = None) -> str:
        """Name a database as a daemon is told of it."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database, and name it as a daemon is told of it."""
        with self.connect("postgres") as server:
            server.execute(f"CREATE DATABASE {database}")
        return self.dsn(database)

    def connect(self, database: str) -> "psycopg.Connection[Any]":
        """Connect to a database, to look what is there."""
        dsn = self.dsn(database)
        return psycopg.connect(dsn, autocommit=True, options="-c search_path=taskdash,public")

    def _start_first(self) -> None:
        """Start the server on a port that is still free: another program may have been quicker."""
        for left in reversed(range(5)):
            self.port = free_port()
            with (self.data / "postgresql.conf").open("a") as file:
                file.write(f"port = {self.port}\n")
            try:
                self.start()
            except AssertionError:
                if not left:
                    raise
            else:
                return

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
        """Stop the server, if it runs, and remove all that it has."""
        if self.is_running():
            self.stop("immediate")
        shutil.rmtree(self.directory)

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


def store_of(directory: Path) -> str:
    """Name the database of a data directory, made the first time that it is asked for."""
    port = int(os.environ[PORT_VARIABLE])
    name = f"t{zlib.crc32(str(directory.resolve()).encode()):08x}"
    name += f"_{directory.resolve().stat().st_ino}" if directory.exists() else ""
    whole = f"postgresql://{USER}@127.0.0.1:{port}/"
    with psycopg.connect(f"{whole}postgres", autocommit=True) as server:
        there = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if there is None:
            server.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    return f"{whole}{name}"


def stand_on_it() -> None:
    """Have every database of this process, and of those that it forks, stand on the server."""
    from taskdashd.store import database

    engine_of = database._engine

    def of_postgres(directory: Path, store: str, lease_s: float, deadline: Any) -> Any:
        return engine_of(directory, store or store_of(directory), lease_s, deadline)

    database._engine = of_postgres
