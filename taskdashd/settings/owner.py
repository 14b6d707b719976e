"""Root's commands act in a data directory as its owner: the daemon can read what they leave.

As root, a command would write wherever the owner has put a link. As the owner, it comes no further
than the daemon itself: whatever stands in the directory, and for SQLite too.
"""

import ctypes
import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

_LINKS_MAX: Final = 40
_CAPABILITY_VERSION: Final = 0x20080522
_CAP_DAC_READ_SEARCH: Final = 2


class OwnerError(Exception):
    """A command must not, or cannot, act in a directory; the message says why, and what to do."""


class Owner(NamedTuple):
    """Whom a directory belongs to."""

    uid: int
    gid: int


def of(path: Path) -> Owner:
    """Give the owner of a path, or of the nearest directory above it that is there.

    Raises `OwnerError` where a link that somebody else has made leads root there.
    """
    way = list(_way(path))
    end = way[-1][1]
    for link, about in way if os.getuid() == 0 else ():
        if stat.S_ISLNK(about.st_mode) and about.st_uid not in (0, end.st_uid):
            raise OwnerError(
                f"{path} is reached by the link {link}, which user {about.st_uid} has made, and"
                f" belongs to user {end.st_uid}: name it without the link"
            )
    return Owner(end.st_uid, end.st_gid)


def check_writer(path: Path) -> None:
    """Raise `OwnerError` where the owner of a path could not read what this process writes."""
    owner = of(path)
    if os.geteuid() not in (0, owner.uid) and owner.uid != 0:
        raise OwnerError(
            f"{path} belongs to user {owner.uid}, who could not read what user {os.geteuid()}"
            " writes there: run this as that user, or as root"
        )


@contextmanager
def acting(owner: Owner) -> Iterator[None]:
    """Act as an owner within the block, if this process is root's; else as who it is.

    Not for a process with threads that must stay root. Raises `OwnerError`.
    """
    before = Owner(os.geteuid(), os.getegid())
    if os.getuid() != 0 or owner.uid == before.uid:
        yield
        return
    groups = os.getgroups()
    _become(owner, [])
    try:
        yield
    finally:
        _become(before, groups)


def acting_at(path: Path, owner: Owner) -> AbstractContextManager[None]:
    """Act as an owner where the owner could change the way to a path, or its end; else as root.

    Raises `OwnerError` also for a file with several names: it may be another's.
    """
    if os.getuid() != 0 or owner.uid == 0:
        return acting(owner)
    with acting(Owner(0, 0)):
        of(path)
        way = [about for _, about in _way(path)]
    if all(about.st_uid != owner.uid for about in way):
        return acting(Owner(0, 0))
    if stat.S_ISREG(way[-1].st_mode) and way[-1].st_nlink > 1:
        raise OwnerError(f"{path} has a second name, and may be another user's: copy it first")
    return acting(owner)


def strangers(directory: Path) -> list[str]:
    """Name what stands in a directory and is not its owner's, who may not be able to use it."""
    owner = directory.stat().st_uid
    entries = [(one.name, one.stat(follow_symlinks=False)) for one in os.scandir(directory)]
    return sorted(
        name
        for name, about in entries
        # Root can read all. A link is followed, whoever has made it.
        if owner not in (0, about.st_uid) and not stat.S_ISLNK(about.st_mode)
    )


def told_of_strangers(directory: Path) -> str:
    """Say how to put right what `strangers` names, to end a message; empty if there is nothing."""
    try:
        names = strangers(directory)
    except OSError:
        # Whoever asks has a reason of their own to fail, and says that one.
        return ""
    if not names:
        return ""
    owner = directory.stat()
    paths = " ".join(shlex.quote(str(directory / name)) for name in names)
    return (
        f"; {', '.join(names)} should be user {owner.st_uid}'s, as {directory} is: chown -R"
        f" {owner.st_uid}:{owner.st_gid} {paths}"
    )


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Give each directory and link on the way to a path, and its end; it may be missing."""
    absolute = path.absolute()
    here, left, links = Path(absolute.root), list(reversed(absolute.parts[1:])), 0
    yield here, os.lstat(here)
    while left:
        here /= left.pop()
        try:
            about = os.lstat(here)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OwnerError(f"{here}: {error.strerror}") from error
        yield here, about
        if stat.S_ISLNK(about.st_mode):
            links += 1
            if links > _LINKS_MAX:
                raise OwnerError(f"{path}: too many links")
            left.extend(reversed(here.readlink().parts))
            here = here.parent


def _become(owner: Owner, groups: Sequence[int]) -> None:
    try:
        os.seteuid(0)
        os.setgroups(groups)
        os.setegid(owner.gid)
        os.seteuid(owner.uid)
    except OSError as error:
        raise OwnerError(f"cannot act as user {owner.uid}: {error.strerror}") from error
    if owner.uid != 0:
        _pass_closed_directories()


def _pass_closed_directories() -> None:
    """Keep the right to pass, and read, what is closed to the owner; writing stays the owner's.

    systemd keeps a dynamic user's directory in /var/lib/private, which is root's alone.
    """
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted and inheritable capabilities, twice 32 of each (capget(2)).
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        sets[0] |= sets[1] & (1 << _CAP_DAC_READ_SEARCH)
        # Where it is refused, whoever needs it is told that the directory cannot be passed.
        libc.capset(header, sets)
