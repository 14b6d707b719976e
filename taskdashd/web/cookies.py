"""The signed cookie by which a browser's requests count as those of the person signed in."""

import base64
import hashlib
import hmac
import secrets
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
    """The content of a cookie: whose sign-in, and the secret that proves it."""

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


def write(held: Held, key: bytes, *, secure: bool) -> str:
    """Give the value of Set-Cookie for a sign-in; an empty secret takes the cookie away."""
    person = base64.urlsafe_b64encode(held.person.encode()).decode().rstrip("=")
    value = f"{person}.{held.secret}.{_sign(f'{person}.{held.secret}', key)}"
    age_s = _AGE_S if held.secret else 0
    flags = "; Secure" if secure else ""
    value = value if held.secret else ""
    return f"{NAME}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{flags}"


def read(header: str, key: bytes) -> Held | None:
    """Give the sign-in of a Cookie header; None where there is none, or its signature is wrong.

    Also None where there are two: a browser keeps one of ours, so somebody else on this host, or on
    the way to it, has added theirs, and whoever asks would act as them.
    """
    # Skip cookies of other programs on this host: they may hold anything.
    ours = [one.strip() for one in header.split(";") if one.strip().startswith(f"{NAME}=")]
    found = {held for one in ours if (held := _read(one.removeprefix(f"{NAME}="), key))}
    return found.pop() if len(found) == 1 else None


def _read(value: str, key: bytes) -> Held | None:
    signed, _, signature = value.rpartition(".")
    if not signed.isascii() or not signature.isascii() or len(value) > _CHARACTERS_MAX:
        return None
    if not hmac.compare_digest(signature, _sign(signed, key)):
        return None
    person, _, secret = signed.partition(".")
    padded = person + "=" * (-len(person) % 4)
    return Held(base64.urlsafe_b64decode(padded).decode(), secret)


def _sign(text: str, key: bytes) -> str:
    digest = hmac.digest(key, text.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
