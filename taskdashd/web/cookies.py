"""The signed cookie by which a browser's requests count as those of the people signed in there."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from taskdashd.settings import files

NAME: Final = "taskdash"
_KEY_BYTES: Final = 32
_AGE_S: Final = 400 * 86400
"""The longest that browsers keep a cookie (RFC 6265bis, 5.5): sign-ins end at the daemon."""
_CHARACTERS_MAX: Final = 1024


class Held(NamedTuple):
    """A sign-in that a browser holds: whose it is, and the secret that proves it."""

    person: str
    secret: str


def read_key(data: Path) -> bytes:
    """Read the key that cookies are signed with, or make it. Raises `OSError`."""
    path = data / files.COOKIE_KEY_NAME
    with suppress(FileNotFoundError):
        kept = files.read(path)
        if len(kept) == _KEY_BYTES:
            return kept
    key = secrets.token_bytes(_KEY_BYTES)
    files.write(path, key, 0o600)
    return key


def write(held: Sequence[Held], key: bytes, *, secure: bool, path: str = "/") -> str:
    """Give the value of Set-Cookie for a browser's sign-ins, the latest first.

    `path` ends with a slash: what a browser finds beside the board, as another one's, is sent none.
    No sign-in takes the cookie away; of more than a cookie has room for, the oldest are left out.
    """
    value = _value(held, key) if held else ""
    while len(value) > _CHARACTERS_MAX:
        held = held[:-1]
        value = _value(held, key)
    age_s = _AGE_S if held else 0
    flags = "; Secure" if secure else ""
    return f"{NAME}={value}; Path={path}; Max-Age={age_s}; HttpOnly; SameSite=Strict{flags}"


def _value(held: Sequence[Held], key: bytes) -> str:
    signed = ".".join(f"{_encoded(one.person)}.{one.secret}" for one in held)
    return f"{signed}.{_sign(signed, key)}"


def read(header: str, key: bytes) -> tuple[Held, ...]:
    """Give the sign-ins of a Cookie header, the latest first; none where its signature is wrong.

    Also none where there are two cookies: a browser keeps one of ours, so somebody else on this
    host, or on the way to it, has added theirs, and whoever asks would act as them.
    """
    # Skip cookies of other programs on this host: they may hold anything.
    ours = [one.strip() for one in header.split(";") if one.strip().startswith(f"{NAME}=")]
    found = {held for one in ours if (held := _read(one.removeprefix(f"{NAME}="), key))}
    return found.pop() if len(found) == 1 else ()


def _read(value: str, key: bytes) -> tuple[Held, ...]:
    signed, _, signature = value.rpartition(".")
    if not signed.isascii() or not signature.isascii() or len(value) > _CHARACTERS_MAX:
        return ()
    if not hmac.compare_digest(signature, _sign(signed, key)):
        return ()
    parts = signed.split(".")
    return tuple(map(Held, map(_person, parts[::2]), parts[1::2]))


def _encoded(person: str) -> str:
    return base64.urlsafe_b64encode(person.encode()).decode().rstrip("=")


def _person(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _sign(text: str, key: bytes) -> str:
    digest = hmac.digest(key, text.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
