"""Every door of a daemon in one process: each asks as somebody, and gives the errid."""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from wsproto.frame_protocol import FrameProtocol, Opcode

from taskdash_protocol import strictjson
from taskdash_protocol.frames import TASKDASH, TCPX, TCPX_TOKEN, Decoder
from taskdashd.core.access import Access
from taskdashd.core.proofs import Proofs
from taskdashd.core.steps import drive
from taskdashd.domain.access import LOCAL_OPERATOR
from taskdashd.families.people.operations.sign_in import prove
from taskdashd.testing import World
from taskdashd.web.app import App
from taskdashd.web.files import Files
from taskdashd.web.forwarded import Proxies
from taskdashd.web.messages import Request, Response
from taskdashd.web.origins import Origins
from taskdashd.web.socket import Socket

HOST: Final = "127.0.0.1:8080"
ADDRESS: Final = "10.0.0.1"


class Door:
    """A way in, for somebody who has come in by it."""

    offers_frames = True
    """Whether what is about a connection can be asked: Hello, Watch, Unwatch."""
    sets_cookie = True
    """Whether Login and Logout can be asked."""

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask, and give the reply."""
        raise NotImplementedError

    def ask(self, operation: str, body: dict[str, Any]) -> int:
        """Ask, and give the errid."""
        errid: int = self.tell(operation, body)["errid"]
        return errid


class Tcp(Door):
    """A connection in the protocol's framing: signed in by Hello, or by nothing."""

    def __init__(self, world: World, token: str = "") -> None:
        self.peer = world.connect(f"{ADDRESS}:1")
        if token:
            assert self.ask("Hello", {"protocol": 1, "token": token}) == 0

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.peer.ask(operation, **body)


class Header(Tcp):
    """The token comes in the header of each request, and with no Hello."""

    def __init__(self, world: World, token: str) -> None:
        super().__init__(world)
        self._token = token

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        peer = self.peer
        head = {"RequestID": operation, "Token": self._token}
        peer.send_bytes(TASKDASH.request(head, strictjson.dumps(body)))
        peer.world.drain()
        return peer.replies.pop()


class Tcpx(Tcp):
    """The original framing, where MessageID 1393 brings the token."""

    def __init__(self, world: World, token: str) -> None:
        super().__init__(world)
        self._token = token
        self.peer.decoder = Decoder(framing=TCPX)
        assert self.ask("SignIn", {}) == 0

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        peer = self.peer
        if operation == "SignIn":
            peer.send_bytes(self._signing_in())
        else:
            peer.send_bytes(TCPX.request({"RequestID": operation}, strictjson.dumps(body)))
        peer.world.drain()
        return peer.replies.pop()

    def _signing_in(self) -> bytes:
        body = self._token.encode()
        head = b"".join(n.to_bytes(4, "big") for n in (12 + len(body), TCPX_TOKEN, 0, len(body)))
        return head + body


class Certificate(Tcp):
    """TLS with a client's certificate, whose name is a token's."""

    def __init__(self, world: World, token: str) -> None:
        super().__init__(world)
        world.core.identities.recognise(self.peer.connection.session, token)


class Local(Tcp):
    """The operators' own socket."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.core.identities.become(self.peer.connection.session, LOCAL_OPERATOR)


class LoggedIn(Tcp):
    """A connection on which a person has signed in, over a token or over none."""

    def __init__(self, world: World, token: str, login: dict[str, Any]) -> None:
        super().__init__(world, token)
        assert self.ask("Login", login) == 0


def site(world: World) -> App:
    """Give the web face of a world."""
    assert world.web is not None
    return App(
        world.runner,
        world.live,
        world.web.boards,
        world.web.viewers,
        Access(world.identities.get, lambda: world.time, required=True),
        Files.read(),
        b"{}",
        b"k" * 32,
        Origins(""),
        Proofs(world.core.identities, world.core.clock.now, prove),
        Proxies(()),
        secure=False,
    )


class Http(Door):
    """Requests by HTTP, each with a token, a cookie, or nothing."""

    offers_frames = False

    def __init__(
        self, world: World, app: App, token: str = "", login: dict[str, Any] | None = None
    ) -> None:
        self.world, self.app = world, app
        self.headers = {"host": HOST, "content-type": "application/json"}
        if token:
            self.headers["authorization"] = f"Bearer {token}"
        if login is not None:
            response = self.answer("/api/v1/Login", strictjson.dumps(login))
            (cookie,) = (value for name, value in response.headers if name == "set-cookie")
            self.headers["cookie"] = cookie.partition(";")[0]
            self.headers.pop("authorization", None)

    def request(self, method: str, path: str, **more: str) -> Request:
        budget, headers = self.world.core.sessions.budget(), self.headers | more
        return Request(method, path, "", headers, ADDRESS, f"{ADDRESS}:2", budget)

    def answer(self, path: str, body: bytes) -> Response:
        visit = self.app.visit(self.request("POST", path))
        if isinstance(visit, Response):
            return visit
        got: list[Any] = []
        drive(visit.answer(body), got.append)
        self.world.drain()
        visit.leave(is_gone=True)
        assert isinstance(got[0], Response)
        return got[0]

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer(f"/api/v1/{operation}", strictjson.dumps(body))
        return dict(strictjson.loads(answer.body, depth_max=strictjson.REPLY_DEPTH_MAX))


class Original(Http):
    """The original API: it offers two of the operations, under its own names."""

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        given = {
            "Query": {"operation": "GetTasksNoUser"},
            "Claim": {
                "operation": "TaskBind",
                "ID": body.get("id", ""),
                "user": body.get("user", ""),
            },
        }[operation]
        self.headers["content-type"] = "application/x-www-form-urlencoded"
        said = self.answer("/rpost/task", urlencode(given).encode()).body
        if said == b"success" or said.startswith(b"["):
            return {"errid": 0}
        return dict(strictjson.loads_object(said))


class Websocket(Http):
    """An open board, with a token or a cookie."""

    sets_cookie = False

    def __init__(
        self, world: World, app: App, token: str = "", login: dict[str, Any] | None = None
    ) -> None:
        super().__init__(world, app, token, login)
        upgrade = self.request(
            "GET",
            "/ws",
            connection="Upgrade",
            upgrade="websocket",
            **{"sec-websocket-version": "13"},
            **{"sec-websocket-key": base64.b64encode(secrets.token_bytes(16)).decode()},
        )
        sock = app.upgrade(upgrade, lambda _conversation: None, b"")
        assert isinstance(sock, Socket)
        self.sock = sock
        self._in = FrameProtocol(client=True, extensions=[])
        self._text = ""
        self.sock.outbox.take()

    def tell(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        sock = self.sock
        message = strictjson.dumps({"seq": 1, "op": operation, "body": body})
        sock.receive(self._in._serialize_frame(Opcode.TEXT, message))
        said: list[dict[str, Any]] = []
        while not said:
            while sock.wants_turn:
                sock.take_turn()
            self.world.drain()
            sock.settle()
            said = [one for one in self._heard() if "seq" in one]
        return said[0]

    def _heard(self) -> Iterator[dict[str, Any]]:
        """Give the messages that the board was sent."""
        while self.sock.outbox.output_bytes:
            self._in.receive_bytes(bytes(self.sock.outbox.take()))
        for frame in self._in.received_frames():
            self._text += frame.payload if isinstance(frame.payload, str) else ""
            if frame.message_finished:
                text, self._text = self._text, ""
                yield json.loads(text)
