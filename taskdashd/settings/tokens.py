"""Tokens: made and revoked by the operator, kept as hashes in a file of the data directory.

The daemon rereads the file when it has changed, so nothing needs a restart. Once what it says is in
force, the daemon holds a lock on the very file that it has read, and commands wait for that: a lock
ends with its process, so none is ever out of date.

A token has 256 random bits, too many to guess, so one round of SHA-256 protects it as well as a
slow hash would.
"""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Self, get_args

from taskdash_protocol import handwritten
from taskdashd.domain.access import Identity, Role
from taskdashd.settings import files, owner

FILE_NAME: Final = "tokens.json"
_PREFIX: Final = "td"
_SECRET_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_TOKEN_CHARACTERS_MAX: Final = 256


class TokenError(Exception):
    """A token cannot be made or revoked, or the file cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the file keeps it: without its secret."""

    name: str
    role: Role
    hash: str
    """SHA-256 of the secret, in hexadecimal."""
    created_at: float
    """Unix seconds."""
    groups: list[str] = field(default_factory=list)
    expires_at: float | None = None

    @property
    def identity(self) -> Identity:
        """Give the identity that the token stands for."""
        home = self.groups[0] if self.groups else ""
        return Identity(self.name, self.role, frozenset(self.groups), self.hash, home=home)

    def is_over(self, now: float) -> bool:
        """Tell whether the token has expired by `now`, in Unix seconds."""
        return self.expires_at is not None and now >= self.expires_at


class TokenFile:
    """The tokens of one data directory. `changed` rereads the file where it was replaced."""

    def __init__(self, data: Path, wall: Callable[[], float]) -> None:
        self.path = data / FILE_NAME
        self._wall = wall
        self._seen: tuple[int, int, int] | None = None
        self._held: BinaryIO | None = None
        """The file that was read last, in the daemon, for as long as it is in force."""
        self.tokens: dict[str, Token] = {}

    @classmethod
    def read(cls, data: Path, wall: Callable[[], float]) -> Self:
        """Read the tokens of a data directory. Raises `TokenError`."""
        tokens = cls(data, wall)
        tokens.changed()
        return tokens

    def changed(self) -> bool:
        """Reread the file if it has changed since it was last read; tell whether it had.

        Raises `TokenError`; the tokens known so far stay.
        """
        try:
            if self._is_seen(self.path.lstat()):
                return False
            descriptor = files.open_regular(self.path, os.O_RDONLY)
            with os.fdopen(descriptor, "rb") as file:
                # Of the file that is read: another may have its name by now.
                about = os.fstat(descriptor)
                content = file.read()
        except FileNotFoundError:
            was, self.tokens, self._seen = bool(self.tokens), {}, None
            return was
        except OSError as error:
            raise TokenError(f"cannot read {self.path}: {self._plain(error)}") from error
        self.tokens = _parse(content, self.path)
        self._seen = _state(about)
        return True

    def hold(self) -> None:
        """Tell commands that the file which was read last is in force, by a lock on it."""
        if self._held is not None and _state(os.fstat(self._held.fileno())) == self._seen:
            return
        self.let_go()
        # Where the file has been replaced again, or a command looks just now, the next look holds.
        with suppress(OSError):
            file = os.fdopen(files.open_regular(self.path, os.O_RDONLY), "rb")
            with ExitStack() as opened:
                opened.enter_context(file)
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if self._is_seen(os.fstat(file.fileno())):
                    self._held = file
                    opened.pop_all()

    def let_go(self) -> None:
        """End the lock of `hold`."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def is_in_force(self) -> bool:
        """Tell a command whether a daemon holds the file as it is. Raises `TokenError`."""
        try:
            # One command at a time, or each would take the other's look for the daemon's lock.
            with self._alone(), os.fdopen(files.open_regular(self.path, os.O_RDONLY)) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        except OSError as error:
            raise TokenError(f"cannot read {self.path}: {self._plain(error)}") from error
        return False

    def _is_seen(self, about: os.stat_result) -> bool:
        return _state(about) == self._seen

    def _plain(self, error: OSError) -> str:
        return f"{files.plain(error)}{owner.told_of_strangers(self.path.parent)}"

    def identify(self, given: str) -> Identity | None:
        """Give the identity of a token; None where the token is wrong, revoked or expired.

        The time it takes does not tell what is wrong with a token.
        """
        name, secret = _split(given)
        token = self.tokens.get(name)
        # Compare also for an unknown name, with a hash of no secret: a quicker refusal would tell
        # which names exist.
        known = token.hash if token is not None else "0" * 64
        same = hmac.compare_digest(_hash(secret), known)
        if token is None or not same or token.is_over(self._wall()):
            return None
        return token.identity

    def named(self, name: str) -> Identity | None:
        """Give the identity of a name that a certificate proves; None where no token has it."""
        token = self.tokens.get(name)
        return None if token is None or token.is_over(self._wall()) else token.identity

    def stands(self, identity: Identity) -> bool:
        """Tell whether a signed-in identity's token still exists, unchanged and not expired."""
        token = self.tokens.get(identity.name)
        return token is not None and token.identity == identity and not token.is_over(self._wall())

    def in_group(self, group: str) -> list[str]:
        """Give the names of the tokens that are confined to a group, among others or alone."""
        return [one.name for one in self.tokens.values() if group in one.groups]

    def create(
        self, name: str, role: Role, groups: list[str], expires_s: float | None
    ) -> tuple[Token, str]:
        """Make a token; returns it and its text, which is kept nowhere. Raises `TokenError`."""
        if _NAME.fullmatch(name) is None:
            raise TokenError(
                f"the name {name!r} will not do: letters, digits, dots and hyphens, at most 64"
            )
        now = self._wall()
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        expires_at = None if expires_s is None else now + expires_s
        # Keep the order: what the token makes by a ping gets the first.
        token = Token(name, role, _hash(secret), now, list(dict.fromkeys(groups)), expires_at)
        with self._locked():
            if name in self.tokens:
                raise TokenError(
                    f"a token {name!r} exists already: revoke it first, or choose another"
                )
            self._write({**self.tokens, name: token})
        return token, f"{_PREFIX}_{name}_{secret}"

    def revoke(self, name: str) -> None:
        """Revoke a token; the daemon closes its connections. Raises `TokenError`."""
        with self._locked():
            if name not in self.tokens:
                raise TokenError(f"there is no token {name!r}")
            self._write({key: token for key, token in self.tokens.items() if key != name})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the file against other processes' changes, and reread it first."""
        try:
            files.make_directory(self.path.parent)
            with self._alone():
                self.changed()
                yield
        except OSError as error:
            raise TokenError(f"cannot write {self.path}: {self._plain(error)}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Lock the directory: a file for it would be one more whose place a link can take.
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def _write(self, tokens: dict[str, Token]) -> None:
        text = json.dumps({"tokens": [asdict(token) for token in tokens.values()]}, indent=1)
        files.write(self.path, text.encode() + b"\n", 0o600)
        self.changed()


def _state(about: os.stat_result) -> tuple[int, int, int]:
    return about.st_ino, about.st_mtime_ns, about.st_size


def shown(seconds: float) -> str:
    """Write Unix seconds for people: UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _split(given: str) -> tuple[str, str]:
    prefix, _, rest = given[:_TOKEN_CHARACTERS_MAX].partition("_")
    name, _, secret = rest.partition("_")
    return (name, secret) if prefix == _PREFIX else ("", "")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _parse(content: bytes, path: Path) -> dict[str, Token]:
    try:
        tokens = [_token(one) for one in json.loads(handwritten.text(content))["tokens"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TokenError(_damaged(path, error)) from None
    return {token.name: token for token in tokens}


def _token(one: Mapping[str, Any]) -> Token:
    token = Token(**one)
    times = (token.created_at, 0.0 if token.expires_at is None else token.expires_at)
    good = (
        token.role in get_args(Role)
        and _NAME.fullmatch(token.name) is not None
        and _HASH.fullmatch(token.hash) is not None
        and type(token.groups) is list
        and all(type(group) is str for group in token.groups)
        and all(type(at) in (int, float) for at in times)
    )
    if not good:
        raise ValueError(f"token {str(token.name)[:64]!r}")
    return token


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is damaged ({error}): restore it, or make the tokens anew"
