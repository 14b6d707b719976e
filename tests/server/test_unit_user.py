"""The daemon's directory is a user's of its own, as in the unit, and root types commands there.

Whatever root and that user have typed, in whatever order and under whatever umask, the daemon can
read it all and obeys; and whatever that user has put there, root's commands touch nothing else.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from wire_client import Wire

from taskdash.testing import RunningDaemon
from taskdashd.settings.tokens import FILE_NAME
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME, RESTORING_NAME
from taskdashd.store.lock import LOCK_NAME
from taskdashd.testing import World

ROOT, UNIT, OTHER = 0, 61_870, 61_871
PROGRAM = Path(__file__).with_name("unit_user.py")

pytestmark = [
    pytest.mark.sqlite("whose the file is"),
    pytest.mark.skipif(
        os.geteuid() != 0, reason="needs root, to act as root beside the unit's user"
    ),
]


class Users:
    """Users who type commands."""

    def __init__(self) -> None:
        command = [sys.executable, str(PROGRAM)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def type(self, uid: int, *words: object) -> tuple[int, str]:
        """Have a user type a command; gives its exit code, and what it says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([uid, list(map(str, words))]), file=self._process.stdin, flush=True)
        code, said = json.loads(self._process.stdout.readline())
        return code, said

    def good(self, uid: int, *words: object) -> str:
        """Have a user type a command that must be done."""
        code, said = self.type(uid, *words)
        assert code == 0, f"user {uid}, {' '.join(map(str, words))}: {said}"
        return said

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    with closing(Users()) as users:
        yield users


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may pass; pytest's own are root's alone."""
    directory = Path(tempfile.mkdtemp(prefix="taskdash-unit-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def make(data: Path, uid: int = UNIT, name: str = "n") -> Path:
    """Make a data directory of a user's, with a task of this name in it."""
    world = World(data)
    world.connect().ask("Register", id="t", name=name, status="finish")
    world.close()
    for path in (data, *data.rglob("*")):
        os.chown(path, uid, uid)
    data.chmod(0o700)
    return data


@pytest.fixture
def data(place: Path) -> Path:
    return make(place / "data")


@pytest.fixture
def private(place: Path) -> Path:
    """A data directory as systemd keeps a dynamic user's: below one that only root may pass."""
    (place / "private").mkdir(mode=0o700)
    make(place / "private/taskdash")
    (place / "taskdash").symlink_to("private/taskdash")
    return place / "taskdash"


def all_are_the_owners(data: Path) -> None:
    """Everything in a directory is its owner's, and nobody else may read a secret in it."""
    owner = data.stat().st_uid
    for path in data.resolve().rglob("*"):
        about = path.lstat()
        assert about.st_uid == owner, f"{path} is user {about.st_uid}'s"
        assert stat.S_IMODE(about.st_mode) & 0o077 == 0 or path.name in ("ca.pem", "server.pem"), (
            f"{path} has the mode {about.st_mode:o}"
        )


class Operator:
    """What may be typed, with what each command needs to succeed at any moment."""

    def __init__(self, users: Users, data: Path, homes: dict[int, Path]) -> None:
        self._users, self._data, self._homes = users, data, homes
        self._made = 0
        self._tokens: list[str] = []
        for uid in homes:
            self.create(uid)
            self.backup(uid)

    def _type(self, uid: int, *words: object) -> None:
        self._users.good(uid, *words, "--data", self._data)

    def create(self, uid: int) -> None:
        self._made += 1
        self._type(uid, "token", "create", f"n{self._made}")
        self._tokens.append(f"n{self._made}")

    def revoke(self, uid: int) -> None:
        self._type(uid, "token", "revoke", self._tokens.pop())

    def backup(self, uid: int) -> None:
        self._made += 1
        self._type(uid, "backup", self._homes[uid] / f"{self._made}.db")

    def restore(self, uid: int) -> None:
        newest = max(self._homes[uid].iterdir(), key=lambda path: path.stat().st_mtime_ns)
        self._type(uid, "restore", "--force", newest)

    def cert_init(self, uid: int) -> None:
        self._type(uid, "cert", "init", "pi.local", "10.0.0.7")

    def check(self, uid: int) -> None:
        self._type(uid, "check")

    @property
    def acts(self) -> list[Callable[[int], None]]:
        return [
            *(self.create, self.revoke, self.backup),
            *(self.restore, self.cert_init, self.check),
        ]


def each_after_each(steps: list[Any]) -> list[Any]:
    """Give a sequence in which each step comes straight after each: the de Bruijn one for pairs."""
    sequence: list[Any] = []
    for place, step in enumerate(steps):
        sequence.append(step)
        for later in steps[place + 1 :]:
            sequence += [step, later]
    return sequence


@pytest.mark.long
def test_root_and_the_unit_s_user_type_commands_in_every_order(
    users: Users, data: Path, place: Path
) -> None:
    homes = {ROOT: place / "root", UNIT: place / "unit"}
    for uid, home in homes.items():
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
    operator = Operator(users, data, homes)
    for act, uid in each_after_each([(act, uid) for act in operator.acts for uid in homes]):
        act(uid)
        all_are_the_owners(data)
    assert all(path.stat().st_uid == ROOT for path in homes[ROOT].iterdir())
    with running(data):
        all_are_the_owners(data)


def test_a_dynamic_user_s_directory_is_closed_to_that_user(users: Users, private: Path) -> None:
    """Root's commands pass /var/lib/private, and what they leave there is the user's."""
    root = private.parent / "root"
    root.mkdir(mode=0o700)
    for act in Operator(users, private, {ROOT: root}).acts:
        act(ROOT)
        all_are_the_owners(private)


@contextmanager
def running(data: Path) -> Iterator[RunningDaemon]:
    """A daemon of the unit's user that asks for tokens."""
    command = (sys.executable, "-u", str(PROGRAM), str(UNIT))
    daemon = RunningDaemon(data, {"auth": "tokens"}, command=command)
    yield daemon
    daemon.stop()


def token_of(said: str) -> str:
    return next(line for line in said.splitlines() if line.startswith("td_"))


@pytest.mark.parametrize("uid", [ROOT, UNIT])
def test_the_daemon_has_taken_up_what_a_command_says_is_done(
    users: Users, data: Path, uid: int
) -> None:
    """A token works once the command that made it has ended, and is over once it is revoked."""
    users.good(UNIT, "token", "create", "first", "--data", data)
    with running(data) as daemon:
        token = token_of(users.good(uid, "token", "create", "stolen", "--data", data))
        wire = Wire(("127.0.0.1", daemon.port))
        wire.call("Hello", {"protocol": 1, "token": token})
        assert "revoked stolen" in users.good(uid, "token", "revoke", "stolen", "--data", data)
        again = Wire(("127.0.0.1", daemon.port))
        again.call("Hello", {"protocol": 1, "token": token}, errid=1003)
        wire.sock.settimeout(5)
        with suppress(ConnectionError):
            while wire.sock.recv(65536):
                pass
    said = users.good(uid, "token", "revoke", "first", "--data", data)
    assert f"no daemon runs on {data}" in said


def test_a_revocation_that_the_daemon_cannot_read_is_not_called_done(
    users: Users, data: Path
) -> None:
    token = token_of(users.good(UNIT, "token", "create", "stolen", "--data", data))
    with running(data) as daemon:
        # The directory is given to somebody else, while the daemon of before goes on.
        data.chmod(0o777)
        os.chown(data, OTHER, OTHER)
        code, said = users.type(ROOT, "token", "revoke", "stolen", "--data", data)
        assert code == 1
        assert f"the daemon (process {daemon.pid}) has not taken it up" in said
        assert "revoked" not in said
        Wire(("127.0.0.1", daemon.port)).call("Hello", {"protocol": 1, "token": token})
        assert any("cannot be read" in line["event"] for line in daemon.log)


def test_nobody_leaves_what_the_owner_cannot_read(users: Users, data: Path) -> None:
    data.chmod(0o777)
    for words in (
        ("token", "create", "x"),
        ("cert", "init", "pi.local"),
        ("restore", "--force", "/nowhere"),
        ("compact",),
    ):
        code, said = users.type(OTHER, *words, "--data", data)
        assert code == 1
        assert f"belongs to user {UNIT}, who could not read what user {OTHER} writes there" in said
    assert sorted(path.name for path in data.iterdir()) == [DATABASE_NAME, LOCK_NAME]


@pytest.mark.parametrize("name", [FILE_NAME, LOCK_NAME, DATABASE_NAME])
def test_what_root_has_left_is_named(users: Users, data: Path, name: str) -> None:
    """Older versions left root's files: the check and the daemon say which, and what to type."""
    users.good(UNIT, "token", "create", "x", "--data", data)
    os.chown(data / name, 0, 0)
    (data / name).chmod(0o600)
    cure = f"chown -R {UNIT}:{UNIT} {data / name}"
    code, said = users.type(ROOT, "check", "--data", data)
    assert (code, cure in said) == (1, True), said
    code, said = users.type(UNIT, "run", "--auth", "tokens", "--listen=127.0.0.1:0", "--data", data)
    assert (code, cure in said) == (1, True), said
    subprocess.run(cure.split(), check=True)
    users.good(ROOT, "check", "--data", data)
    with running(data):
        pass


COMMANDS = (
    ("token", "create", "x"),
    ("token", "list"),
    ("token", "revoke", "first"),
    ("cert", "init", "pi.local"),
    ("backup", "HOME/copy.db"),
    ("backup", "DATA/copy.db"),
    ("restore", "--force", "HOME/first.db"),
    ("restore", "--newest", "--force"),
    ("check",),
    ("check", "--repair"),
    ("compact",),
)
SQLITE_S = (DATABASE_NAME, *(f"{DATABASE_NAME}-{end}" for end in ("wal", "shm", "journal")))
KEPT_COPY = "backups/taskdash-20990101T000000Z.db"
PLANTED = {
    "link": (
        *(FILE_NAME, f".{FILE_NAME}.new", f".{FILE_NAME}.lock", LOCK_NAME, "web.key", "copy.db"),
        *(*SQLITE_S, RESTORING_NAME, f"{RESTORING_NAME}-journal", f".{DATABASE_NAME}.compacting"),
        *("tls/ca.pem", "tls/ca.key", "tls/server.key", "tls/.server.key.new"),
    ),
    "hard link": (FILE_NAME, LOCK_NAME, *SQLITE_S, KEPT_COPY),
    "link to a database": (DATABASE_NAME, RESTORING_NAME, KEPT_COPY),
    "pipe": (FILE_NAME, LOCK_NAME, *SQLITE_S, KEPT_COPY, "tls/ca.pem"),
    "link to a directory": ("tls", "backups", "copy.db"),
}


def named(word: str, where: dict[str, str]) -> str:
    """Put a path in the place of its name."""
    for name, path in where.items():
        word = word.replace(name, path)
    return word


def state_of(directory: Path) -> list[tuple[str, int, int, bytes]]:
    """Give all of a directory that a command could change."""
    return [
        (str(path), about.st_mode, about.st_uid, path.read_bytes() if path.is_file() else b"")
        for path in sorted((directory, *directory.rglob("*")))
        for about in [path.lstat()]
    ]


@pytest.fixture
def precious(place: Path) -> Path:
    """A directory of root's, with a file of each kind that a command looks for."""
    directory = place / "precious"
    directory.mkdir(mode=0o700)
    (directory / "shadow").write_text("root:*:1::::::\n")
    make(directory / "data", ROOT, "secret")
    return directory


@pytest.mark.parametrize(
    ("how", "name"), [(how, name) for how, names in PLANTED.items() for name in names]
)
def test_root_s_commands_touch_nothing_that_was_planted(
    users: Users, data: Path, place: Path, precious: Path, how: str, name: str
) -> None:
    """Each command ends, done or not, and what is root's stays as it was."""
    home = place / "root"
    home.mkdir(mode=0o700)
    users.good(UNIT, "token", "create", "first", "--data", data)
    users.good(ROOT, "backup", home / "first.db", "--data", data)
    target = {
        "link to a database": precious / "data" / DATABASE_NAME,
        "link to a directory": precious,
    }.get(how, precious / "shadow")
    planted = data / name
    if "/" in name:
        planted.parent.mkdir(mode=0o700)
        os.chown(planted.parent, UNIT, UNIT)
    planted.unlink(missing_ok=True)
    if how == "hard link":
        planted.hardlink_to(target)
    elif how == "pipe":
        os.mkfifo(planted)
        os.chown(planted, UNIT, UNIT)
    else:
        planted.symlink_to(target)
        os.chown(planted, UNIT, UNIT, follow_symlinks=False)
    before = state_of(precious)
    for words in COMMANDS:
        began = time.monotonic()
        paths = [named(word, {"HOME": str(home), "DATA": str(data)}) for word in words]
        code, said = users.type(ROOT, *paths, "--data", data)
        assert code in (0, 1, 2), said
        assert "Traceback" not in said
        assert time.monotonic() - began < 5
        assert state_of(precious) == before, f"{words}: {said}"
        (home / "copy.db").unlink(missing_ok=True)
    for path in data.rglob("*.db"):
        # None of root's databases was read into the user's directory.
        assert path.is_symlink() or not path.is_file() or b"secret" not in path.read_bytes()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_directory_is_not_root_s_because_a_link_says_so(
    users: Users, place: Path, precious: Path, words: tuple[str, ...]
) -> None:
    """The user owns the directory above, and puts a link to root's in the place of the data."""
    above = place / "above"
    above.mkdir(mode=0o755)
    (above / "data").symlink_to(precious / "data")
    for path in (above, above / "data"):
        os.chown(path, UNIT, UNIT, follow_symlinks=False)
    before = state_of(precious)
    paths = [
        word.replace("HOME", str(place)).replace("DATA", str(above / "data")) for word in words
    ]
    code, said = users.type(ROOT, *paths, "--data", above / "data")
    assert code == 1
    assert f"the link {above / 'data'}, which user {UNIT} has made" in said
    assert state_of(precious) == before


def test_the_daemon_itself_follows_no_link(users: Users, data: Path, precious: Path) -> None:
    """Nor does one that root runs in a directory of root's."""
    for name in (LOCK_NAME, DATABASE_NAME, FILE_NAME, "web.key"):
        own = make(precious / name, ROOT)
        (own / name).unlink(missing_ok=True)
        (own / name).symlink_to(precious / "shadow")
        before = (precious / "shadow").read_bytes()
        words = ("run", "--auth", "tokens", "--listen=127.0.0.1:0", "--web=127.0.0.1:0")
        # Made, though not known whether a daemon runs where its lock is a link.
        users.type(ROOT, "token", "create", "x", "--data", own)
        if name == FILE_NAME:
            assert (own / name).is_symlink()
        code, said = users.type(ROOT, *words, "--data", own)
        assert (code, f"{name}: it is a link" in said) == (1, True), said
        assert (precious / "shadow").read_bytes() == before


def test_root_s_daemon_leaves_the_owner_s_files(users: Users, data: Path) -> None:
    """What root's daemon makes in somebody's directory, root's commands can go on with."""
    for path in list(data.iterdir()):
        path.unlink()
    command = (sys.executable, "-u", str(PROGRAM), str(ROOT))
    daemon = RunningDaemon(data, {"web": "127.0.0.1:0"}, command=command)
    users.good(ROOT, "token", "create", "x", "--data", data)
    daemon.kill()
    (data / "taskdashd.sock").unlink()
    all_are_the_owners(data)
