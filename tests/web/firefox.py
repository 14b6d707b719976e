"""Debian's Firefox as it is, driven by WebDriver BiDi (W3C): a window for each person.

Playwright brings a patched Firefox of its own; to Debian's it does not speak.
"""

import json
import re
import shutil
import socket
import subprocess
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping, Request, TextMessage

FIREFOX = shutil.which("firefox-esr")
STARTED_S, ANSWERED_S = 60, 60
BESIDES = ("log.entryAdded", "browsingContext.downloadEnd")
"""Events that are read."""


class RefusedError(Exception):
    """The browser has refused a command."""


class Firefox:
    """A browser without a screen, in which people have windows and cookies of their own."""

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        profile = folder / "profile"
        profile.mkdir()
        assert FIREFOX, "this test needs Debian's Firefox: apt-get install firefox-esr"
        # Allow scripts of the browser's own: an input method is to be had nowhere else.
        how = ["--headless", "--remote-debugging-port=0", "--remote-allow-system-access"]
        self._process = subprocess.Popen(
            [FIREFOX, *how, "--no-remote", "--profile", profile],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self._count = 0
        self._text = ""
        self._arrived: deque[dict[str, Any]] = deque()
        self._connect(self._port())
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=BESIDES)
        how_saved = {"type": "allowed", "destinationFolder": str(self.downloads)}
        self.ask("browser.setDownloadBehavior", downloadBehavior=how_saved)
        system = self.ask("browsingContext.getTree", **{"moz:scope": "chrome"})
        self.system: str = system["contexts"][0]["context"]

    def _port(self) -> int:
        """Read at which port it listens; what it says afterwards is read too, or it would block."""
        assert self._process.stderr
        dog = threading.Timer(STARTED_S, self._process.kill)
        dog.start()
        said: list[str] = []
        for line in self._process.stderr:
            said.append(line)
            if found := re.search(r"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)", line):
                dog.cancel()
                self._reader = threading.Thread(target=deque, args=(self._process.stderr, 0))
                self._reader.start()
                return int(found[1])
        raise AssertionError(f"Firefox did not start: {said[-8:]}")

    def _connect(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=ANSWERED_S)
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._sock.sendall(self._ws.send(Request(host=f"127.0.0.1:{port}", target="/session")))
        self._receive()

    def _receive(self) -> None:
        """Take what comes next on the connection."""
        self._ws.receive_data(self._sock.recv(1 << 16))
        for event in self._ws.events():
            match event:
                case TextMessage(data=data, message_finished=finished):
                    self._text += data
                    if finished:
                        self._arrived.append(json.loads(self._text))
                        self._text = ""
                case Ping():
                    self._sock.sendall(self._ws.send(event.response()))
                case AcceptConnection():
                    pass
                case _:
                    raise RefusedError(f"the browser has gone: {event}")

    def _next(self) -> dict[str, Any]:
        while not self._arrived:
            self._receive()
        return self._arrived.popleft()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command, and wait until it is done."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": params}
        self._sock.sendall(self._ws.send(TextMessage(data=json.dumps(command))))
        while (message := self._next()).get("id") != self._count:
            self.events.append(message)
        if message["type"] == "error":
            raise RefusedError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result

    def event(self, method: str, text: str = "") -> dict[str, Any]:
        """Wait for an event, of those with a text for one that has it in its text; and take it."""
        while not (
            found := [
                one
                for one in self.events
                if one["method"] == method and text in one["params"].get("text", "")
            ]
        ):
            self.events.append(self._next())
        self.events.remove(found[0])
        params: dict[str, Any] = found[0]["params"]
        return params

    def run(self, function: str, given: Any, context: str) -> Any:
        """Run a function that takes JSON and gives JSON."""
        done = self.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": json.dumps(given)}],
            awaitPromise=True,
            target={"context": context},
        )
        if done["type"] == "exception":
            raise AssertionError(done["exceptionDetails"]["text"])
        return json.loads(done["result"].get("value", "null"))

    def prefers(self, theme: str) -> None:
        """Let the system of all people have a theme."""
        prefer = """async (given) => (Services.prefs.setIntPref(
            'layout.css.prefers-color-scheme.content-override', JSON.parse(given)), 'null')"""
        self.run(prefer, ["dark", "light"].index(theme), self.system)

    def close(self) -> None:
        """End it. Where it does not go by itself it is killed."""
        try:
            # The connection may have ended before the answer.
            with suppress(RefusedError):
                self.ask("browser.close")
            self._process.wait(ANSWERED_S)
        finally:
            self._sock.close()
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stderr
            self._process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
