"""The real daemon as a process, for tests of what stands on it."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Any, Self


def taskdashd(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of the daemon's that comes to an end by itself."""
    command = [sys.executable, "-m", "taskdashd", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


class Daemon:
    """Runs `taskdashd run` on a free port until the context ends."""

    def __init__(
        self, data: Path, *flags: str, port: int = 0, env: dict[str, str] | None = None
    ) -> None:
        self.data = data
        self.log: list[dict[str, Any]] = []
        self._logged = threading.Condition()
        command = [sys.executable, "-m", "taskdashd", "run"]
        command += ["--listen", f"127.0.0.1:{port}", "--data", str(data), *flags]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TASKDASH")}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**inherited, **(env or {})}
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = int(self.wait_for("listening")["address"].rpartition(":")[2])
        self.wait_for("ready")
        self.url = f"taskdash://127.0.0.1:{self.port}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.log.append({"event": "", "text": line})
                self._logged.notify_all()

    def wait_for(self, event: str, timeout_s: float = 20, count: int = 1) -> dict[str, Any]:
        """Wait for a line of the log, or for so many like it, and give the last."""

        def found() -> dict[str, Any] | None:
            lines = [line for line in self.log if line["event"] == event]
            return lines[count - 1] if len(lines) >= count else None

        with self._logged:
            if not self._logged.wait_for(found, timeout_s):
                raise AssertionError(f"no {event!r} in the log: {self.log}")
            line = found()
        assert line is not None
        return line

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: Signals = SIGTERM) -> int:
        """End it, and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(15)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(SIGKILL)
