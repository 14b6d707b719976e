"""Asking task services for their tasks, by HTTP: only at addresses that the operator allows.

A client's URL could make the daemon ask any host that it reaches. The name is therefore looked up
once, all its addresses are checked, and the connection goes to a checked one: neither a name that
changes meanwhile nor a redirection (none is followed) leads anywhere else.
"""

import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import h11
import structlog
import trio

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Outcome, ServerError
from taskdashd.core.steps import Done
from taskdashd.settings.values import Network

TIMEOUT_S: Final = 10.0
"""Seconds for a whole answer, from the look-up of the name on."""
ANSWER_BYTES_MAX: Final = 1 << 20
TASKS_MAX: Final = 1000
_AT_ONCE: Final = 8
_WAITING_MAX: Final = 32
_READ_BYTES: Final = 64 << 10
_ODD: Final = re.compile(r"[^!-~]")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


_Asked = tuple[str, str, Done[list[Any]]]
"""A URL, the id of a task (empty for all of them), and the callback for the answer."""


class Fetcher:
    """Asks a few services at a time."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._send, self._receive = trio.open_memory_channel[_Asked](_WAITING_MAX)

    def ask(self, url: str, task_id: str, then: Done[list[Any]]) -> None:
        """Ask a service for all tasks, or for one by id; `then` gets a list or a `ServerError`."""
        try:
            self._send.send_nowait((url, task_id, then))
        except trio.WouldBlock:
            then(Busy(f"{_WAITING_MAX} services wait to be asked: try again later"))

    async def run(self) -> None:
        """Ask until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            url, task_id, then = await self._receive.receive()
            outcome = await self._outcome(url, task_id)
            try:
                then(outcome)
            except Exception:
                log.exception("unexpected fault with what a service said", url=url)

    async def _outcome(self, url: str, task_id: str) -> Outcome[list[Any]]:
        """Give the tasks of a service's answer, or the `ServerError` that says why it gave none."""
        try:
            with trio.fail_after(TIMEOUT_S):
                return _tasks(await self._answer(url, task_id))
        except ServerError as refusal:
            return refusal
        except trio.TooSlowError:
            return Busy(f"{url} did not answer within {TIMEOUT_S:g} s").because("no-answer")
        except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            return Busy(f"{url} cannot be asked: {error}").because("no-answer")
        except Exception:
            log.exception("unexpected fault while a service was asked", url=url)
            return Busy(f"{url} cannot be asked: an unexpected fault was logged")

    async def _answer(self, url: str, task_id: str) -> bytes:
        parts = _parts(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        hosts = await self._allowed_hosts(parts.hostname or "", port)
        stream = await _connect(hosts, port)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            stream = trio.SSLStream(
                stream, context, server_hostname=parts.hostname, https_compatible=True
            )
        try:
            return await _exchange(stream, parts, task_id)
        finally:
            await trio.aclose_forcefully(stream)

    async def _allowed_hosts(self, name: str, port: int) -> list[str]:
        try:
            found = await trio.socket.getaddrinfo(name, port, type=trio.socket.SOCK_STREAM)
        except OSError as error:
            raise Busy(f"{name} is not found: {error.strerror}") from None
        hosts = list(dict.fromkeys(str(where[0]) for *_, where in found))
        for host in hosts:
            if not any(network.allows(host, port) for network in self._allowed):
                raise AuthError(f"fetch_allow does not name {host}, port {port}").because(
                    "fetch-not-allowed"
                )
        return hosts


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        named = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except (ValueError, UnicodeError):
        named = False
    if not named or "@" in parts.netloc or _ODD.search(url):
        raise BadRequest(f"field url: {url[:200]!r} names no host that can be asked")
    return parts


async def _connect(hosts: Sequence[str], port: int) -> trio.abc.Stream:
    """Connect to the first host that accepts. Raises the last one's `OSError`."""
    for host in hosts[:-1]:
        with suppress(OSError):
            return await trio.open_tcp_stream(host, port)
    return await trio.open_tcp_stream(hosts[-1], port)


async def _exchange(stream: trio.abc.Stream, parts: SplitResult, task_id: str) -> bytes:
    connection = h11.Connection(h11.CLIENT)
    body = strictjson.dumps({"ID": task_id}) if task_id else b""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [("host", parts.netloc), ("accept", "application/json"), ("connection", "close")]
    if body:
        headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
    request = h11.Request(method="POST" if body else "GET", target=target, headers=headers)
    data = connection.send(request) or b""
    data += connection.send(h11.Data(data=body)) or b"" if body else b""
    data += connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(data)
    answer = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_READ_BYTES)))
        elif isinstance(event, h11.Response):
            if event.status_code != 200:
                raise Busy(f"the service answered {event.status_code}, not 200")
        elif isinstance(event, h11.Data):
            answer += event.data
            if len(answer) > ANSWER_BYTES_MAX:
                raise BadRequest(f"the service's answer has more than {ANSWER_BYTES_MAX} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return bytes(answer)
        elif not isinstance(event, h11.InformationalResponse):
            raise Busy("the service ended its answer too early")


def _tasks(answer: bytes) -> list[Any]:
    try:
        said = strictjson.loads(answer)
    except BadRequest as error:
        raise BadRequest(f"the service's answer: {error.detail}") from None
    if type(said) is dict:
        said = said["tasks"] if type(said.get("tasks")) is list else [said]
    if type(said) is not list or len(said) > TASKS_MAX:
        raise BadRequest(f"the service's answer must be a list of at most {TASKS_MAX} tasks")
    return said
