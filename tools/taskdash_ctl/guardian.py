"""Who ends a command whose wrapper was killed: a shell that waits for the wrapper's end.

SIGKILL of `taskdash-ctl run`, by hand, by a supervisor or for want of memory, leaves it no moment
to end its command. So before the command a shell is started that waits on a pipe from the wrapper.
A pipe that ends means that the wrapper is gone: the shell ends the command, politely at first
unless it has been asked already. The shell is no process of the wrapper's group, which a supervisor
may kill whole; and its own command line does not name the wrapper, for `pkill -f`.

Off a terminal the command joins the shell's process group, which is there before the command and as
long as the shell: no moment is open, and the group's number cannot become another's. On a terminal
the command is in the group of its shell's job, which is not ours to end: there the shell ends the
command and what descends from it, by /proc (without it, the command alone).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl

from taskdash_ctl.wishes import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

GRACE_S: Final = 2.0
"""After SIGTERM, a command whose wrapper was killed has so long before SIGKILL."""

_SHELL: Final = "/bin/sh"
_SCRIPT: Final = r"""
trap '' HUP INT QUIT ABRT ALRM TERM USR1 USR2 PIPE TSTP TTIN TTOU
cd /
grace=$1 child=
while read -r word number; do
    case $word in
    asked) grace=0 ;;
    child) child=$number ;;
    left)
        cat <&3 >&5 &
        cat <&4 >&6 &
        exit
        ;;
    esac
done

family() { # of a process: itself and its descendants, each as PID/START
    for stat in /proc/[0-9]*/stat; do
        read -r line <"$stat" || continue
        set -- "$1" ${line##*) }
        [ "${line%% *}" = "$1" ] && echo "$1/${21}"
        [ "$3" = "$1" ] && family "${line%% *}"
    done
}

living() { # of several PID/START: the processes that are still the same
    for one; do
        read -r line <"/proc/${one%/*}/stat" || continue
        set -- ${line##*) }
        [ "${20}" = "${one#*/}" ] && echo "${one%/*}"
    done
}

if [ -z "$child" ]; then
    [ "$grace" = 0 ] || { kill -TERM 0; sleep "$grace"; }
    kill -KILL 0
fi
victims=$(family "$child")
[ -n "$victims" ] || { kill -KILL "$child"; exit; }
[ "$grace" = 0 ] || { kill -TERM $(living $victims); sleep "$grace"; }
victims="$victims $(family "$child")"
kill -KILL $(living $victims)
"""


class Guardian:
    """See the module. `group` is the process group that the shell leads."""

    def __init__(self, grace_s: float, pipes: Sequence[tuple[int, int]]) -> None:
        """Start the shell. Raises `OSError`.

        `pipes` are those that the wrapper reads the command's output from, two at most, each with
        the stream that it goes on to. The shell holds them, or what the command writes once the
        wrapper is gone would end it by SIGPIPE before it is asked to.
        """
        wait_at, self._pipe = os.pipe()
        waits = fcntl(wait_at, F_DUPFD_CLOEXEC, 10)
        os.close(wait_at)
        name = f"guardian-of-{os.getpid()}"
        # A shell knows descriptors of one digit; copies beyond those are in nobody's way.
        copies = [
            (fcntl(fd, F_DUPFD_CLOEXEC, 10), number)
            for pair, numbers in zip(pipes, ((3, 5), (4, 6)), strict=False)
            for fd, number in zip(pair, numbers, strict=True)
        ]
        try:
            # The environment may be long, and hold what is no business of another process.
            self.group = os.posix_spawn(
                _SHELL,
                [_SHELL, "-c", _SCRIPT, name, f"{grace_s:g}"],
                {"PATH": os.defpath},
                file_actions=[
                    *((os.POSIX_SPAWN_DUP2, copy, number) for copy, number in copies),
                    (os.POSIX_SPAWN_DUP2, waits, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setpgroup=0,
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            for fd, _ in ((waits, 0), *copies):
                os.close(fd)

    def child(self, pid: int) -> None:
        """Tell of a command that is not in the shell's process group."""
        self._tell(f"child {pid}\n")

    def asked(self) -> None:
        """Note that the command has been asked to end."""
        self._tell("asked\n")

    def over(self, *, left: bool) -> None:
        """Let the shell go: the command has ended.

        Where it has `left` somebody who may still write, the shell passes that on from here.
        """
        if left:
            self._tell("left\n")
            return
        # By SIGKILL, which also a shell obeys that somebody has stopped with its whole group.
        os.kill(self.group, signal.SIGKILL)
        os.waitpid(self.group, 0)
        os.close(self._pipe)

    def _tell(self, line: str) -> None:
        # A shell that somebody has killed guards nothing; the command goes on without.
        with suppress(BrokenPipeError):
            os.write(self._pipe, line.encode())
