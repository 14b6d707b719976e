"""`taskdashd token` and `taskdashd cert`: tokens to sign in with, and certificates for TLS."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

import click

from taskdash_protocol import DEFAULT_PORT
from taskdashd.cli.options import EXIT_FAILURE, data_options, fail, settings_of
from taskdashd.domain.access import ROLES, Role
from taskdashd.settings import certificates, config
from taskdashd.settings.tokens import Token, TokenError, TokenFile, shown

T = TypeVar("T")


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
    help="; ".join(f"{role}: {about}" for role, about in ROLES.items()) + ".",
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
    made, text = _on(
        settings_of(data, config_file),
        lambda tokens: tokens.create(name, role, list(groups), expires_s),
    )
    click.echo(_line(made), err=True)
    click.echo(text)


@token.command("list")
@data_options
def list_(data: str | None, config_file: Path | None) -> None:
    """Show whom tokens were made for."""
    tokens = _on(settings_of(data, config_file), lambda tokens: list(tokens.tokens.values()))
    for one in sorted(tokens, key=lambda one: one.name):
        click.echo(_line(one))
    if not tokens:
        click.echo("there is none yet: taskdashd token create NAME", err=True)


@token.command()
@click.argument("name")
@data_options
def revoke(name: str, data: str | None, config_file: Path | None) -> None:
    """Make NAME's token worth nothing, and close the connections that signed in with it."""
    _on(settings_of(data, config_file), lambda tokens: tokens.revoke(name))
    click.echo(f"revoked {name}")


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
        where = directory or settings_of(data, config_file).data / "tls"
        made = certificates.init(where, chosen)
    except certificates.CertificateError as error:
        fail(str(error), EXIT_FAILURE)
    click.echo(f"made for {', '.join(chosen)}. In the daemon's settings:\n")
    click.echo(f'listen_tls = "0.0.0.0:{DEFAULT_PORT + 1}"')
    click.echo(f'tls_cert = "{made.certificate}"\ntls_key = "{made.key}"\n')
    click.echo(f"Copy {made.authority} to each client, which then connects with:\n")
    click.echo(f"TASKDASH_URL='taskdashs://{chosen[0]}:{DEFAULT_PORT + 1}?ca=/path/to/ca.pem'")


def _on(settings: config.Settings, action: Callable[[TokenFile], T]) -> T:
    try:
        return action(TokenFile.read(settings.data, time.time))
    except TokenError as error:
        fail(str(error), EXIT_FAILURE)


def _line(one: Token) -> str:
    groups = ", ".join(one.groups) if one.groups else "all groups"
    over = "never expires"
    if one.expires_at is not None:
        over = f"{'expired' if one.is_over(time.time()) else 'expires'} {shown(one.expires_at)} UTC"
    return f"{one.name:<20}  {one.role:<8}  {groups:<20}  made {shown(one.created_at)} UTC, {over}"
