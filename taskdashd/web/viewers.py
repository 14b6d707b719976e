"""The open boards and their sign-ins: a board ends at once when its sign-in or token does."""

from collections.abc import Callable, Sequence

from wsproto.frame_protocol import CloseReason

from taskdashd.core.commits import Following
from taskdashd.core.identities import PERSON, Identities
from taskdashd.domain.access import Identity
from taskdashd.store.records import Record
from taskdashd.web.boards import Boards
from taskdashd.web.cookies import Held
from taskdashd.web.socket import Socket


class Viewers(Following):
    """The sockets of open boards, each with its cookie's content; None where a token opened it."""

    def __init__(self, identities: Identities, boards: Boards) -> None:
        self._identities = identities
        self._boards = boards
        self._sockets: dict[Socket, Held | None] = {}

    def enter(self, sock: Socket, held: Held | None) -> None:
        """Add a board."""
        self._sockets[sock] = held

    def leave(self, sock: Socket) -> None:
        """Remove a board."""
        del self._sockets[sock]
        self._boards.leave(sock)

    def check_tokens(self, stands: Callable[[Identity], bool]) -> None:
        """End the boards of tokens that were revoked or have expired."""
        for sock in list(self._sockets):
            token = sock.session.token
            if token is not None and token.key and not stands(token):
                sock.end(CloseReason.POLICY_VIOLATION, "the token was revoked or has expired")

    def close_all(self) -> None:
        """Say goodbye to every board: the daemon stops."""
        for sock in list(self._sockets):
            sock.end(CloseReason.GOING_AWAY, "the daemon is being stopped")

    def kept(self, records: Sequence[Record]) -> None:
        """End the boards of people who were signed out; give the others their new rights."""
        changed = {record.key for record in records if record.kind == PERSON}
        for sock, held in list(self._sockets.items()):
            if held is None or held.person not in changed:
                continue
            now = self._identities.identity_of(sock.session, held.person)
            if now is None:
                sock.end(CloseReason.POLICY_VIOLATION, "signed out")
            elif now != sock.identity:
                self._boards.identity_changed(sock, now)
