"""The terminal of a command that has a process group of its own: it asks for it by being stopped.

Where standard input is no terminal the command is in the background of the terminal that there may
be all the same, and is stopped when it reads from /dev/tty, as for a password. So it is handed over
then, as a shell does it with its jobs, and taken back at the end.
"""

from __future__ import annotations

import os
import signal

from taskdash_ctl.wishes import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

ASKS: Final = (signal.SIGTTIN, signal.SIGTTOU)
"""Stop a process group in the background that reads from its terminal, or sets it."""


class Foreground:
    """See the module. `group` is the command's process group."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._terminal: int | None = None
        self._is_theirs = False
        self._is_wanted = False

    def give(self) -> bool:
        """Hand the terminal over; False where we are in its background ourselves."""
        self._is_wanted = True
        if self._terminal is None:
            try:
                self._terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            except OSError:
                return False
        if os.tcgetpgrp(self._terminal) != os.getpgrp():
            return False
        self._set(self._group)
        self._is_theirs = True
        return True

    def give_again(self) -> None:
        """Hand it over to a command that is continued, if it had it before."""
        if self._is_wanted:
            self.give()

    def take_back(self) -> None:
        """Have the terminal again, if it was handed over."""
        if self._is_theirs:
            self._is_theirs = False
            self._set(os.getpgrp())

    def _set(self, group: int) -> None:
        assert self._terminal is not None
        # From the background only who blocks SIGTTOU may do that.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            os.tcsetpgrp(self._terminal, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
