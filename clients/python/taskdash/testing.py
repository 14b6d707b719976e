"""A real daemon for your own tests: started in a temporary directory, ended with the test.

In your `conftest.py`:

    pytest_plugins = ["taskdash.testing"]

and in a test:

    def test_my_service(taskdash_daemon):
        run_my_service(url=taskdash_daemon.url)
        with taskdash.connect(taskdash_daemon.url) as dash:
            assert dash.find("my-task")["status"] == "finish"

It needs the daemon: `pip install "taskdash[daemon]"`. Without pytest, use `running_daemon`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any, Final

try:
    import pytest
except ImportError:  # only the fixture needs it
    pytest = None  # type: ignore[assignment]

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 15.0


class RunningDaemon:
    """A daemon's process. `url` is for `taskdash.connect` and TASKDASH_URL."""

    def __init__(self, data: Path, settings: dict[str, Any], port: int = 0) -> None:
        self.data = data
        self._settings = settings
        self._start(port)

    def kill(self) -> None:
        """End it as a pulled plug would."""
        self._end(SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(SIGTERM)

    def restart(self) -> None:
        """Start it again after `kill` or `stop`, at the same address and with the same data."""
        self._start(int(self.url.rpartition(":")[2]))

    def _start(self, port: int) -> None:
        command = [sys.executable, "-m", "taskdashd", "run", "--listen", f"127.0.0.1:{port}"]
        command += ["--data", str(self.data), "--log-format", "json"]
        for name, value in self._settings.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        env = {
            name: value for name, value in os.environ.items() if not name.startswith("TASKDASHD")
        }
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        self._said: list[str] = []
        self._address = ""
        self._is_ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._is_ready.wait(START_TIMEOUT_S) or not self._address:
            self._end(SIGKILL)
            raise RuntimeError("taskdashd does not start:\n" + "".join(self._said))
        self.url = f"taskdash://{self._address}"

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            try:
                fact = json.loads(line)
            except ValueError:
                continue
            if fact.get("event") == "listening":
                self._address = fact["address"]
            elif fact.get("event") == "ready":
                self._is_ready.set()
        # It has ended: nobody needs to wait any more.
        self._is_ready.set()

    def _end(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(STOP_TIMEOUT_S)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextmanager
def running_daemon(data: Path | None = None, **settings: Any) -> Iterator[RunningDaemon]:
    """Run a daemon until the block ends, in a temporary directory unless `data` names one.

    `settings` are the daemon's, such as `heartbeat_timeout=1`. Raises `RuntimeError` with what it
    said, where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="taskdash-") as directory:
        daemon = RunningDaemon(data or Path(directory), settings)
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
