"""What is done now and then: acts are stored, and what is too old is forgotten."""

from typing import Any, Final

from taskdashd.domain.times import stamp
from taskdashd.operations.engine import Engine
from taskdashd.operations.expiry import Expiry
from taskdashd.store.database import Health

_FORGET_EVERY_S: Final = 1.0
_LOOK_FOR_ROOM_S: Final = 5.0
_NOTHING_OLD_S: Final = 60.0
STEADY_S: Final = 3600.0
"""Nothing is forgotten until the wall clock has gone steadily for so long."""
_JUMP_S: Final = 60.0
_FUTURE_S: Final = 86400.0
"""What is stamped later than that from now was stamped by a clock that was wrong."""


class Housekeeping:
    """See the module; `tick` is called a few times a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._forget_at = self._look_at = 0.0
        self._forgotten_rev = 0
        self._ahead_s = self._clock_ahead_s()
        self._steady_since = engine.clock.now()
        self._expiry = Expiry(engine)

    def tick(self) -> None:
        """Do what is due."""
        engine = self._engine
        if acts := engine.acts.due():
            engine.writer.note(acts)
        self._expiry.tick()
        engine.services.tick()
        self._look_for_room()
        self._forget()

    def _look_for_room(self) -> None:
        engine, now = self._engine, self._engine.clock.now()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_FOR_ROOM_S
        if not engine.reserve.given_up:
            engine.reserve.fill()
            return

        def looked(health: Any) -> None:
            engine.reserve.is_over(health.reusable_bytes if isinstance(health, Health) else 0)

        engine.reader.health(lambda: True, looked, check=False)

    def _clock_ahead_s(self) -> float:
        clock = self._engine.clock
        return clock.wall() - clock.now()

    def _forget(self) -> None:
        engine, now = self._engine, self._engine.clock.now()
        ahead_s = self._clock_ahead_s()
        if abs(ahead_s - self._ahead_s) > _JUMP_S:
            # A clock that is wrong for a while, as before a Pi has found its time server, must not
            # make everything look old.
            self._steady_since = now
        self._ahead_s = ahead_s
        keep_s = engine.limits.audit_keep
        if keep_s is None or now - self._steady_since < STEADY_S or now < self._forget_at:
            return
        advanced = engine.writer.forgotten_rev != self._forgotten_rev
        self._forgotten_rev = engine.writer.forgotten_rev
        self._forget_at = now + (_FORGET_EVERY_S if advanced else _NOTHING_OLD_S)
        wall = engine.clock.wall()
        engine.writer.forget(stamp(wall - keep_s), stamp(wall + _FUTURE_S))
