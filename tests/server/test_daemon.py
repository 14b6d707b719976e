"""The daemon as systemd and its operator see it: notify, signals, configuration."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import last_lines

import taskdash
from taskdash.testing import running_daemon
from taskdashd.settings import config

ROOT = Path(__file__).parents[2]


def told(sock: socket.socket, wanted: str, timeout_s: float = 15) -> list[str]:
    """Receive states until one begins with what is wanted; give all."""
    sock.settimeout(timeout_s)
    states: list[str] = []
    while not any(state.startswith(wanted) for state in states):
        states += sock.recv(4096).decode().splitlines()
    return states


def stops(sock: socket.socket) -> None:
    """See that no more states are sent, but for those on their way already."""
    sock.settimeout(0.6)
    for _ in range(5):
        try:
            sock.recv(4096)
        except TimeoutError:
            return
    pytest.fail("the watchdog is fed although nothing moves")


@pytest.mark.fault(39)
def test_systemd_is_told_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    """READY only once a connection is answered; then beats; STOPPING at SIGTERM."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "300000"}
        with running_daemon(tmp_path / "data", env=env) as daemon:
            assert "READY=1" in told(sock, "READY")
            with taskdash.connect(daemon.url) as dash:
                dash.register("ready", "n")
            told(sock, "WATCHDOG=1")
            told(sock, "WATCHDOG=1")
            assert daemon.stop() == 0
            assert told(sock, "STOPPING=1")


@contextmanager
def changed(
    code: str, tmp_path: Path
) -> "Iterator[tuple[subprocess.Popen[str], int, socket.socket]]":
    """Run a daemon with a part of it changed; gives it, its port, and the socket of its states."""
    path = tmp_path / "notify"
    env = {**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "150000"}
    code += "\nfrom taskdashd.cli import main\nmain()"
    command = [sys.executable, "-c", code, "run", "--listen", "127.0.0.1:0"]
    command += ["--data", str(tmp_path / "data")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            port = process.stderr.readline().split('"address": "127.0.0.1:')[1].split('"')[0]
            told(sock, "WATCHDOG=1")
            yield process, int(port), sock
            process.kill()


@pytest.mark.fault(39)
def test_the_watchdog_stops_when_the_writer_hangs(tmp_path: Path) -> None:
    """A hung writer's thread stops the watchdog, though the event loop runs."""
    code = """
import threading
from taskdashd.store.database import Database
never = threading.Event()
Database.append = lambda self, *changes: never.wait()
"""
    with changed(code, tmp_path) as (_, port, sock):
        with taskdash.connect(f"taskdash://127.0.0.1:{port}?timeout=0.2") as dash:
            with pytest.raises(taskdash.TimeoutError):
                dash.register("stuck", "n")
            assert dash.server
            # Do not wait for a last reply: none comes.
            dash.close(timeout_s=0)
        stops(sock)


@pytest.mark.fault(39)
def test_the_watchdog_stops_when_the_loop_hangs(tmp_path: Path) -> None:
    """A hung event loop sends no more states, so that systemd restarts the daemon."""
    code = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60))
"""
    with changed(code, tmp_path) as (process, _, sock):
        process.send_signal(signal.SIGUSR1)
        stops(sock)


@pytest.mark.fault(38)
def test_reload_takes_what_may_change_and_keeps_the_old_on_a_mistake(tmp_path: Path) -> None:
    """SIGHUP: a bad file is logged and changes nothing; a good one is in force at once."""
    file = tmp_path / "taskdashd.toml"
    file.write_text("heartbeat_timeout = 20\n")
    with running_daemon(tmp_path / "data", config=file) as daemon:
        with taskdash.connect(daemon.url) as dash:
            assert dash.heartbeat_timeout_s == 20
        file.write_text("heartbeat_timeout = 'soon'\n")
        daemon.signal(signal.SIGHUP)
        line = daemon.wait_for("configuration not reloaded, the old one stays")
        assert "heartbeat_timeout = 'soon'" in line["error"]
        file.write_text("heartbeat_timeout = 12\ntask_cache = 2000000\n")
        daemon.signal(signal.SIGHUP)
        line = daemon.wait_for("configuration reloaded")
        assert line["changed"]["heartbeat_timeout"] == "20.0 -> 12.0"
        assert "after a restart" in line["changed"]["task_cache"]
        with taskdash.connect(daemon.url) as dash:
            assert dash.heartbeat_timeout_s == 12
        assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("flags", "env", "file", "says"),
    [
        (["--listen", "nowhere"], {}, "", "listen = 'nowhere' (from --listen) must be HOST:PORT"),
        (["--heartbeat-timeout", "0.1"], {}, "", "heartbeat_timeout = '0.1' (from --heartbeat"),
        ([], {"TASKDASHD_MAX_FRAME": "1.5"}, "", "(from TASKDASHD_MAX_FRAME)"),
        ([], {"TASKDASHD_COLOUR": "red"}, "", "TASKDASHD_COLOUR: there is no setting 'colour'"),
        ([], {}, "heartbeat_timout = 3", "did you mean 'heartbeat_timeout'?"),
        ([], {}, "max_connections = true", "max_connections = True"),
        ([], {}, "listen = ", "not valid TOML"),
        (["--listen", "192.0.2.1:1"], {}, "", "cannot listen on 192.0.2.1:1"),
        (["--data", "/proc/nowhere"], {}, "", "cannot use the data directory /proc/nowhere"),
    ],
)
def test_a_bad_setting_is_named_with_where_it_came_from(
    tmp_path: Path, flags: list[str], env: dict[str, str], file: str, says: str
) -> None:
    """The error is one line, without a traceback, and the exit code is not 0."""
    path = tmp_path / "taskdashd.toml"
    path.write_text(file)
    command = [sys.executable, "-m", "taskdashd", "run", "--config", str(path)]
    defaults = ["--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")]
    result = subprocess.run(
        [*command, *defaults, *flags],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert result.returncode != 0
    assert says in result.stderr
    assert "Traceback" not in result.stderr


HIDING = """
import sys
missing = sys.argv.pop(1)
class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hiding())
from taskdashd.__main__ import main
main()
"""


@pytest.mark.parametrize("missing", ["trio", "apsw", "h11", "argon2", "taskdashd.daemon"])
def test_a_package_that_is_missing_is_told_of_in_a_line(missing: str, tmp_path: Path) -> None:
    """With what to install; but a part of our own that is missing is a fault to be seen."""
    command = [sys.executable, "-c", HIDING, missing, "run", "--listen", "127.0.0.1:0"]
    command += ["--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    if missing.startswith("taskdashd"):
        assert "Traceback" in done.stderr
    else:
        needed = 'taskdashd needs the daemon\'s parts: pip install "taskdash[daemon]"\n'
        assert done.stderr == needed


def test_a_package_that_will_not_do_is_told_of_without_a_traceback(tmp_path: Path) -> None:
    """python-multipart is imported by the name of multipart, and is another library."""
    (tmp_path / "multipart.py").write_text("class FormParser: ...")
    done = subprocess.run(
        [sys.executable, "-m", "taskdashd", "run", "--data", str(tmp_path / "data")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("taskdashd cannot use multipart as it is: cannot import name")
    assert done.stderr.endswith('\npip install "taskdash[daemon]"\n')


def test_flags_stand_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    """`taskdashd config` shows each value with where it came from."""
    path = tmp_path / "t.toml"
    path.write_text('max_frame = 5000\nlisten = "127.0.0.1:1"\nheartbeat_timeout = 5\n')
    env = {"TASKDASHD_LISTEN": "127.0.0.1:2", "TASKDASHD_HEARTBEAT_TIMEOUT": "6"}
    command = [sys.executable, "-m", "taskdashd", "config", "--config", str(path)]
    result = subprocess.run(
        [*command, "--heartbeat-timeout", "7"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines()}
    assert rows["heartbeat_timeout"][1::2] == ["7", "--heartbeat-timeout"]
    assert rows["listen"][1::2] == ["127.0.0.1:2", "TASKDASHD_LISTEN"]
    assert rows["max_frame"][1::2] == ["5000", str(path)]
    assert rows["web"][1::2] == ["off", "default"]
    assert set(rows) == set(config.TABLE)


def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """A second signal ends the daemon while the first waits for a client that does not close."""
    with (
        running_daemon(tmp_path) as daemon,
        socket.create_connection(("127.0.0.1", daemon.port)) as sock,
    ):
        sock.sendall(bytes.fromhex("00000010"))
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("stopping")
        assert daemon.stop() == 1


def test_the_unit_is_hardened() -> None:
    """systemd's own judgement: 1.5 or better, of 10."""
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(ROOT / "systemd/taskdashd.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    exposure = float(result.stdout.split("Overall exposure level")[1].split(":")[1].split()[0])
    assert exposure <= 1.5, last_lines(result.stdout)


def test_the_example_configuration_is_valid() -> None:
    """The example configuration that is shipped can be used as it is."""
    settings, _ = config.load({}, {}, ROOT / "systemd" / "taskdashd.toml")
    assert settings.heartbeat_timeout == 30
