"""Where settings come from besides the command line: a TOML file, and the environment."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from taskdash_protocol import handwritten

ENVIRONMENT_PREFIX: Final = "TASKDASHD_"


class ConfigError(Exception):
    """A setting does not exist, or its value will not do; the message names the setting."""


class Origin(NamedTuple):
    """A setting's value as it was given, and the place it was given in."""

    value: Any
    source: str


def from_file(file: Path | None, known: Collection[str]) -> dict[str, Origin]:
    """Read the settings that a TOML file gives. Raises `ConfigError`."""
    if file is None:
        return {}
    try:
        content = tomllib.loads(handwritten.text(file.read_bytes()))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    for name in content:
        _check_name(name, f"{file}", known)
    return {name: Origin(value, str(file)) for name, value in content.items()}


def from_environment(environment: Mapping[str, str], known: Collection[str]) -> dict[str, Origin]:
    """Read the settings that environment variables give. Raises `ConfigError`."""
    found: dict[str, Origin] = {}
    for variable, value in environment.items():
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if variable.startswith(ENVIRONMENT_PREFIX) and name != "config":
            _check_name(name, f"environment variable {variable}", known)
            found[name] = Origin(handwritten.stripped(value), variable)
    return found


def _check_name(name: str, where: str, known: Collection[str]) -> None:
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{where}: there is no setting {name!r}{hint}")
