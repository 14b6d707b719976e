"""A real daemon for your own tests: started in a temporary directory, ended with the test.

In your `conftest.py`:

    pytest_plugins = ["taskdash.testing"]

and in a test:

    def test_my_service(taskdash_daemon):
        run_my_service(url=taskdash_daemon.url)
        with taskdash.connect(taskdash_daemon.url) as dash:
            assert dash.find("my-task")["status"] == "finish"

The fixture needs the daemon: `pip install "taskdash[daemon]"`. Without pytest, use
`running_daemon`. `World` is a daemon without a process: a test moves it and its clock by steps.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM
from typing import Any, Final

try:
    import pytest
except ImportError:  # only the fixture needs pytest
    pytest = None  # type: ignore[assignment]


def __getattr__(name: str) -> Any:
    """Give `World` and its `Peer`, and import the daemon's code, with its packages, only then."""
    if name not in ("World", "Peer"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from taskdashd import testing

    return getattr(testing, name)


COMMAND: Final = (sys.executable, "-m", "taskdashd")
WAIT_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 15.0
_LINES_SHOWN_MAX: Final = 8
_LINE_CHARACTERS_MAX: Final = 300


class RunningDaemon:
    """A daemon's process. `url` is for `taskdash.connect` and TASKDASH_URL.

    `log` holds the lines logged since its start: a dict each, with the fact as `event`; a line
    that is no JSON is the `text` of an empty event.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, Any] | None = None,
        port: int = 0,
        *,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.data = data
        self._settings = {
            "listen": f"127.0.0.1:{port}",
            "log_format": "json",
            **(settings or {}),
        }
        self._env = dict(env or {})
        self._command = command
        self._logged = threading.Condition()
        self._start()

    @property
    def url(self) -> str:
        """The URL at which the daemon listens, for `taskdash.connect`."""
        return f"taskdash://{self.address}"

    @property
    def port(self) -> int:
        """The TCP port at which the daemon listens."""
        return int(self.address.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The number of the daemon's process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal that has ended it; None while the daemon runs."""
        return self._process.poll()

    def wait_for(
        self, event: str, timeout_s: float = WAIT_TIMEOUT_S, count: int = 1
    ) -> dict[str, Any]:
        """Wait until an event was logged, or `count` times, and give that line of the log.

        Raises `TimeoutError`, at once where the daemon ends before.
        """

        def found() -> dict[str, Any] | None:
            lines = [line for line in self.log if line["event"] == event]
            return lines[count - 1] if len(lines) >= count else None

        with self._logged:
            self._logged.wait_for(lambda: self._has_ended or found(), timeout_s)
            line = found()
        if line is None:
            until = "before its end" if self._has_ended else f"within {timeout_s:g} s"
            wanted = repr(event) if count == 1 else f"{event!r} {count} times"
            raise TimeoutError(f"taskdashd has not logged {wanted} {until}{self._last_lines()}")
        return line

    def signal(self, number: int) -> None:
        """Send the daemon a signal, if it still runs."""
        self._process.send_signal(number)

    def kill(self) -> int:
        """End the daemon by SIGKILL, without a warning; gives its exit code."""
        self.signal(SIGKILL)
        return self.wait()

    def stop(self) -> int:
        """End the daemon in order, by SIGTERM; gives its exit code."""
        self.signal(SIGTERM)
        # A process that was stopped by SIGSTOP ends by a SIGTERM only once it goes on.
        self.signal(SIGCONT)
        return self.wait()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait until the daemon has ended, by itself or by a signal; gives its exit code.

        Raises `TimeoutError` where it has not ended in time, and kills it.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            message = f"taskdashd has not ended within {timeout_s:g} s{self._last_lines()}"
            raise TimeoutError(message) from None
        finally:
            self._reader.join()
            assert self._process.stderr is not None
            self._process.stderr.close()

    def restart(self) -> None:
        """Start the daemon again after `kill` or `stop`, at the same address, on the same data."""
        self._settings["listen"] = self.address
        self._start()

    def _start(self) -> None:
        env = {
            name: value for name, value in os.environ.items() if not name.startswith("TASKDASHD")
        }
        env |= {f"TASKDASHD_{name.upper()}": _said(what) for name, what in self._settings.items()}
        self.log: list[dict[str, Any]] = []
        self._has_ended = False
        self._process = subprocess.Popen(
            [*self._command, "run", "--data", str(self.data)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=env | self._env,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.address: str = self.wait_for("listening")["address"]
            self.wait_for("ready")
        except TimeoutError:
            self.kill()
            raise RuntimeError(f"taskdashd does not start{self._last_lines()}") from None
        except BaseException:
            self.kill()
            raise

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                fact = json.loads(line)
            except ValueError:
                fact = {"event": "", "text": line}
            with self._logged:
                self.log.append(fact)
                self._logged.notify_all()
        with self._logged:
            self._has_ended = True
            self._logged.notify_all()

    def _last_lines(self) -> str:
        # Show no more: a whole log would push the failure out of sight in a test's report.
        last = self.log[-_LINES_SHOWN_MAX:]
        lines = [line.get("text") or json.dumps(line, ensure_ascii=False) for line in last]
        return ":\n" + "\n".join(line.rstrip()[:_LINE_CHARACTERS_MAX] for line in lines)


def _said(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


@contextmanager
def running_daemon(
    data: Path | None = None,
    *,
    port: int = 0,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    **settings: Any,
) -> Iterator[RunningDaemon]:
    """Run a daemon until the block ends, in a temporary directory unless `data` names one.

    `settings` are the daemon's, such as `heartbeat_timeout=1` or `passwords=True`; `env` is added
    to its environment, and `command` stands in the place of `python -m taskdashd`. Raises
    `RuntimeError` with the end of the log, where the daemon does not start.
    """
    with tempfile.TemporaryDirectory(prefix="taskdash-") as directory:
        daemon = RunningDaemon(data or Path(directory), settings, port, env=env, command=command)
        try:
            yield daemon
        finally:
            daemon.kill()


if pytest is not None:

    @pytest.fixture
    def taskdash_daemon() -> Iterator[RunningDaemon]:
        """Give a fresh daemon to a test."""
        with running_daemon() as daemon:
            yield daemon
