"""``computor admin``: the first account of a deployment."""

from __future__ import annotations

import asyncio
import secrets
import sys

import click

from computor_core.app import Computor
from computor_core.cli.deployment import sound_deployment
from computor_core.errors import UsageError
from computor_core.services.accounts import create_first_admin


@click.group()
def admin() -> None:
    """Make the account that everything else is set up with."""


@admin.command()
@click.option("--email", required=True, help="The administrator's e-mail address, to sign in with.")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input; otherwise a random one is printed.",
)
@click.option("--instance", help="Sign-in instance that keeps it.  [default: the settings' default one]")
def create(email: str, instance: str | None, *, password_stdin: bool) -> None:
    """Create the first administrator; refused once there is one."""
    if "@" not in email:
        raise UsageError(f"{email!r} is no e-mail address")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else secrets.token_urlsafe(15)
    asyncio.run(_create(email, password, instance))
    click.echo(f"administrator {email} created")
    if not password_stdin:
        click.echo(f"password: {password}")


async def _create(email: str, password: str, instance: str | None) -> None:
    async with Computor(sound_deployment().settings) as app:
        await create_first_admin(app, email, password, instance=instance)
