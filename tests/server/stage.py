"""Where a chapter of the recorded exchange is played: one daemon, tokens that it knows, and whoever
talks to it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tape import Board, Http, Tape, Tcp, Tcpx
from wire_client import WiredDaemon

Wanted = Callable[[dict[str, Any]], bool]

TOKENS = {
    "boss": ("--role", "operator"),
    "reader": ("--role", "reader"),
    "service": (),
    "cutter": ("--group", "cut"),
}
"""The rights of each token that the daemon knows."""


def make_tokens(data: Path) -> dict[str, str]:
    """Make the tokens in a data directory, and give their texts."""
    making: dict[str, subprocess.Popen[str]] = {}
    for name, words in TOKENS.items():
        command = [sys.executable, "-m", "taskdashd", "token", "create", name, *words]
        command += ["--data", str(data)]
        making[name] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    return {name: one.communicate(timeout=60)[0].strip() for name, one in making.items()}


class Stage:
    """See the module."""

    def __init__(self, where: Path, made_in: Path, tokens: dict[str, str]) -> None:
        self.tape = Tape()
        self.tokens = tokens
        self._data = where / "data"
        self._data.mkdir()
        shutil.copy(made_in / "tokens.json", self._data)
        self._daemon: WiredDaemon | None = None
        self._talkers: list[Tcp | Http | Board] = []

    def start(self, **settings: Any) -> None:
        """Start the daemon with settings; a chapter that does not gets the usual one."""
        settings = {"web": "127.0.0.1:0", "heartbeat_timeout": 600, **settings}
        self._daemon = WiredDaemon(self._data, settings, env={"TZ": "UTC"})
        self.web_port = int(self._daemon.wait_for("the board is at")["address"].rpartition(":")[2])
        self._daemon.wait_for("ready")

    @property
    def daemon(self) -> WiredDaemon:
        """The daemon, which is started if it is not yet."""
        if self._daemon is None:
            self.start()
        assert self._daemon is not None
        return self._daemon

    def tcp(self, name: str = "tcp", source: str = "127.0.0.1") -> Tcp:
        """Connect in the contract's own framing."""
        return self._kept(Tcp(self.tape, self.daemon.port, name, source))

    def tcpx(self, name: str = "tcpx") -> Tcpx:
        """Connect in the original framing."""
        return self._kept(Tcpx(self.tape, self.daemon.port, name))

    def browser(self, name: str, source: str = "127.0.0.1") -> Http:
        """Speak HTTP as nobody yet."""
        assert self.daemon
        return self._kept(Http(self.tape, self.web_port, name, source))

    def script(self, name: str, who: str) -> Http:
        """Speak HTTP with a token."""
        bearer = f"Bearer {self.tokens[who]}"
        assert self.daemon
        return self._kept(Http(self.tape, self.web_port, name, authorization=bearer))

    def board(self, name: str, query: str = "", **headers: str) -> Board:
        """Open a board."""
        assert self.daemon
        return self._kept(Board(self.tape, self.web_port, name, query, **headers))

    def wall(self, name: str, who: str) -> Board:
        """Open a board with a token."""
        return self.board(name, Authorization=f"Bearer {self.tokens[who]}")

    def settle(self, boss: Tcp) -> None:
        """Have all that has changed so far told: a board that comes later is told of none of it.

        Boards are told a moment after a change, and of people and services only what is news by
        then: how long the exchange took up to here must not show in what they are told.
        """
        bearer = f"Bearer {self.tokens['boss']}"
        board = Board(Tape(), self.web_port, "settling", Authorization=bearer)
        board.tell("the greeting", lambda told: "me" in told)
        url = "http://10.0.0.99"
        boss.ask("RegisterService", {"url": url, "name": "The last of the news"})
        board.tell("the news", lambda told: url in str(told.get("services")))
        board.close()

    def until(
        self, asker: Tcp, operation: str, body: Any, wanted: Wanted, *, keep: bool = True
    ) -> dict[str, Any]:
        """Ask until an answer is as it is wanted, give it, and keep that one alone."""
        tape, deadline = asker.tape, time.monotonic() + 10
        while True:
            asker.tape = Tape()
            said = asker.ask(operation, body)
            if wanted(said):
                break
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
        if keep:
            tape.said |= asker.tape.said
        asker.tape = tape
        return said

    def close(self) -> None:
        """End the daemon, and check that no chapter has made it fail."""
        if self._daemon is not None:
            # SIGKILL, not SIGTERM: the farewell takes a second, and one chapter records it.
            self._daemon.kill()
        for talker in self._talkers:
            talker.close()
        if self._daemon is not None:
            assert self._daemon.faults() == [], "a peer made the daemon fail"

    def _kept(self, talker: Any) -> Any:
        self._talkers.append(talker)
        return talker


CHAPTERS: dict[str, Callable[[Stage], None]] = {}


def chapter(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
    """Put a chapter into the book."""
    CHAPTERS[play.__name__] = play
    return play
