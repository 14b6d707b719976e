"""The web board's parts, and how they are joined to the daemon's."""

import socket
from typing import Final

import trio

from taskdashd.config import Settings
from taskdashd.doors import StartError
from taskdashd.operations.access import Access
from taskdashd.operations.engine import Engine
from taskdashd.operations.figures import DayFigures
from taskdashd.server.tls import TlsContext
from taskdashd.store.database import Database
from taskdashd.tokens import TokenFile
from taskdashd.web import cookies
from taskdashd.web.app import App
from taskdashd.web.board import Board
from taskdashd.web.origins import Origins
from taskdashd.web.server import Limits, Server

_TOKENS_S: Final = 1.0


class Website:
    """The board, served beside the wire protocol on the same event loop."""

    def __init__(
        self,
        settings: Settings,
        live: Limits,
        engine: Engine,
        database: Database,
        tokens: TokenFile,
        tls: TlsContext | None,
    ) -> None:
        self._tokens = tokens
        try:
            key = cookies.read_key(settings.data)
        except OSError as error:
            raise StartError(f"cannot keep the board's key: {error}") from None
        # Nothing is written yet, so that what is counted here and what follows is all there is.
        self._figures = DayFigures(engine, database.tally())
        self._board = Board(engine, self._figures)
        # Whoever reaches the board is not let in just because services may come in without one.
        access = Access(tokens.identify, engine.clock.now, required=True)
        self._app = App(
            engine,
            live,  # type: ignore[arg-type]  # it has every setting
            self._board,
            access,
            key,
            Origins(settings.web_origins),
            secure=tls is not None,
        )
        self._server = Server(self._app, live, None if tls is None else lambda: tls.context)

    async def run(self, listeners: list[socket.socket]) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._board.run)
            nursery.start_soon(self._server.run, listeners)
            nursery.start_soon(self._check_tokens)

    async def _check_tokens(self) -> None:
        while True:
            await trio.sleep(_TOKENS_S)
            self._app.check_tokens(self._tokens.stands)

    def stop(self) -> None:
        """Say goodbye, and keep the figures of the day."""
        self._figures.store()
        self._app.close_all()
