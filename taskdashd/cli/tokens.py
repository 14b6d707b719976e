"""`taskdashd token`, `wall` and `cert`: tokens, addresses of screens, certificates for TLS."""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, get_args

import click

from taskdash_protocol import DEFAULT_PORT
from taskdashd.cli.options import EXIT_FAILURE, acting_in, data_options, fail, settings_of
from taskdashd.domain.access import ROLES, Role
from taskdashd.settings import certificates, config, files
from taskdashd.settings.tokens import Token, TokenError, TokenFile, shown
from taskdashd.settings.values import Address
from taskdashd.store import lock

_TAKEN_UP_S: Final = 10.0
_LOOK_S: Final = 0.05


@click.group()
def token() -> None:
    """Make, list and revoke the tokens by which services and people sign in.

    A daemon that runs takes up what is changed within a second.
    """


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="service",
    show_default=True,
    help="; ".join(f"{role}: {rights.about}" for role, rights in ROLES.items()) + ".",
)
@click.option("--group", "groups", multiple=True, help="Confine it to this group; may be repeated.")
@click.option("--expires", metavar="DURATION", help="After this time, as in 90d or 12h.")
@data_options
def create(
    name: str,
    role: Role,
    groups: tuple[str, ...],
    expires: str | None,
    data: str | None,
    config_file: Path | None,
) -> None:
    """Make a token for NAME and print it, this once: only its hash is kept.

    Give it to clients as TASKDASH_TOKEN, or in a file that TASKDASH_TOKEN_FILE names.
    """
    if role == "operator" and groups:
        raise click.UsageError("an operator is not confined to groups")
    try:
        expires_s = None if expires is None else config.duration(expires)
    except ValueError as error:
        raise click.UsageError(f"--expires {error}") from None

    def make(tokens: TokenFile) -> None:
        made, text = tokens.create(name, role, list(groups), expires_s)
        click.echo(_line(made), err=True)
        # Before the daemon is waited for: what is not said now is kept nowhere.
        click.echo(text)

    _change(settings_of(data, config_file), make)


@token.command("list")
@data_options
def list_(data: str | None, config_file: Path | None) -> None:
    """Show whom tokens were made for."""
    with _tokens(settings_of(data, config_file), writes=False) as file:
        tokens = list(file.tokens.values())
    for one in sorted(tokens, key=lambda one: one.name):
        click.echo(_line(one))
    if not tokens:
        click.echo("there is none yet: taskdashd token create NAME", err=True)


@token.command()
@click.argument("name")
@data_options
def revoke(name: str, data: str | None, config_file: Path | None) -> None:
    """Make NAME's token worth nothing, and close the connections that signed in with it.

    Done once the daemon has taken it up; else it exits with 1 and says so.
    """
    _change(settings_of(data, config_file), lambda tokens: tokens.revoke(name))
    click.echo(f"revoked {name}")


@click.group()
def wall() -> None:
    """Screens on a wall, which show what is now without anybody signing in."""


@wall.command("create")
@click.argument("name")
@click.option(
    "--group", "--groups", "groups", multiple=True, help="Show this group; may be repeated."
)
@data_options
def create_wall(
    name: str, groups: tuple[str, ...], data: str | None, config_file: Path | None
) -> None:
    """Make a reader's token for the screen NAME, and print the address to open there.

    Whoever has the address reads what the screen shows; "taskdashd token revoke NAME" ends that.
    """
    settings = settings_of(data, config_file)
    if settings.web is None:
        fail('no board is served: set web, as in web = "0.0.0.0:8080"', EXIT_FAILURE)
    if settings.web.port == 0 and not settings.web_origins:
        fail(f"each start chooses another port for web = {settings.web}: set one", EXIT_FAILURE)
    board = _board_url(settings, settings.web)

    def make(tokens: TokenFile) -> None:
        made, text = tokens.create(name, "reader", list(groups), None)
        click.echo(_line(made), err=True)
        click.echo(f"{board}/wall#{text}")

    _change(settings, make)


def _board_url(settings: config.Settings, web: Address) -> str:
    """Give the address at which other machines find the board, as far as the settings tell."""
    if settings.web_origins:
        return settings.web_origins.split()[0].rstrip("/") + settings.web_prefix
    try:
        is_any = ipaddress.ip_address(web.host).is_unspecified
    except ValueError:
        is_any = False
    here = Address(socket.gethostname(), web.port) if is_any else web
    return f"{'https' if settings.web_tls else 'http'}://{here}{settings.web_prefix}"


@click.group()
def cert() -> None:
    """Certificates for TLS, for an office that has none."""


@cert.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to; tls in the data directory if not given.",
)
@data_options
def init(
    names: tuple[str, ...], directory: Path | None, data: str | None, config_file: Path | None
) -> None:
    """Make a small authority, once, and a certificate for the NAMEs by which clients connect.

    Names and addresses; this machine's own name if none is given. Run again for a new certificate
    of the same authority, and reload the daemon.
    """
    chosen = list(names) or [socket.gethostname(), "localhost", "127.0.0.1"]
    try:
        # Absolute: what is told of it is pasted into settings and read elsewhere.
        where = (directory or settings_of(data, config_file).data / "tls").absolute()
        with acting_in(where):
            made = certificates.init(where, chosen)
    except certificates.CertificateError as error:
        fail(str(error), EXIT_FAILURE)
    click.echo(f"made for {', '.join(chosen)}. In the daemon's settings:\n")
    click.echo(f'listen_tls = "0.0.0.0:{DEFAULT_PORT + 1}"')
    click.echo(f'tls_cert = "{made.certificate}"\ntls_key = "{made.key}"\n')
    click.echo(f"Copy {made.authority} to each client, which then connects with:\n")
    daemon = Address(chosen[0], DEFAULT_PORT + 1)
    click.echo(f"TASKDASH_URL='taskdashs://{daemon}?ca=/path/to/ca.pem'\n")
    click.echo(f"The authority may sign for {made.may}. The daemon does not need its key. Who has")
    click.echo("it can be any of these to your clients, so keep it away from this machine, on a")
    click.echo(
        f"stick in a drawer, and bring it back for the next certificate: {made.authority_key}"
    )


@contextmanager
def _tokens(settings: config.Settings, *, writes: bool) -> Iterator[TokenFile]:
    try:
        with acting_in(settings.data, writes=writes):
            yield TokenFile.read(settings.data, time.time)
    except TokenError as error:
        fail(str(error), EXIT_FAILURE)


def _change(settings: config.Settings, change: Callable[[TokenFile], None]) -> None:
    """Change the tokens, and wait until a daemon that runs has taken it up."""
    with _tokens(settings, writes=True) as tokens:
        change(tokens)
        try:
            process = lock.holder(settings.data)
        except OSError as error:
            fail(f"it is not known whether a daemon runs: {files.plain(error)}", EXIT_FAILURE)
        if process is None:
            click.echo(f"no daemon runs on {settings.data}: the next start counts", err=True)
            return
        ends = time.monotonic() + _TAKEN_UP_S
        while not tokens.is_in_force():
            if time.monotonic() > ends:
                fail(
                    f"written, but the daemon (process {process}) has not taken it up within"
                    f" {_TAKEN_UP_S:g} s, and goes by what it knew before; its log says why, and"
                    f" to restart it helps where it can read {tokens.path}",
                    EXIT_FAILURE,
                )
            time.sleep(_LOOK_S)


def _line(one: Token) -> str:
    groups = ", ".join(one.groups) if one.groups else "all groups"
    over = "never expires"
    if one.expires_at is not None:
        over = f"{'expired' if one.is_over(time.time()) else 'expires'} {shown(one.expires_at)} UTC"
    return f"{one.name:<20}  {one.role:<8}  {groups:<20}  made {shown(one.created_at)} UTC, {over}"
