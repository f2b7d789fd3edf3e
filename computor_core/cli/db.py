"""``computor db``: migrations of core and plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from computor_core.cli.deployment import inspect_deployment, sound_deployment
from computor_core.cli.output import json_option, print_json, print_table
from computor_core.db.host_lock import host_lock
from computor_core.errors import UsageError
from computor_core.migrations import comparison, runner
from computor_core.migrations.lineage import CORE
from computor_core.migrations.state import LineageState, require_known, require_present, states
from computor_core.settings.assembly import Assembly
from computor_core.settings.database import opened_database

plugin_option = click.option("--plugin", metavar="NAME", help="One lineage alone: a plugin's name, or core.")


@click.group()
def db() -> None:
    """Bring the database to the installed code, and look where it stands."""


@db.command()
@plugin_option
@json_option
def upgrade(plugin: str | None, *, as_json: bool) -> None:
    """Apply what is pending, core first, then the plugins in the order of the settings.

    With --plugin, other plugins may be broken.
    """
    applied = asyncio.run(_upgrade(_assembly(plugin), plugin))
    if as_json:
        print_json({"applied": [{"lineage": item.owner, "revision": item.revision} for item in applied]})
        return
    for item in applied:
        click.echo(f"{item.owner}: applied {item.revision}")
    click.echo("the database is at the newest revision" if applied else "nothing was pending")


@db.command()
@click.argument("target")
@click.option("--plugin", metavar="NAME", default=CORE, show_default=True, help="Whose lineage.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def downgrade(target: str, plugin: str, *, yes: bool) -> None:
    """Take a lineage back to TARGET: a revision, "base" for before the first, or "-1".

    The rows of tables that go are lost.
    """
    assembly = _assembly(plugin)
    if not yes:
        click.confirm(f"Take {plugin} back to {target}? The rows of tables that go are lost", abort=True)
    for item in asyncio.run(_downgrade(assembly, plugin, target)):
        click.echo(f"{item.owner}: took back {item.revision}")


@db.command()
@plugin_option
@json_option
def current(plugin: str | None, *, as_json: bool) -> None:
    """Show the applied revision of each lineage."""
    found = asyncio.run(_states(_assembly(plugin), plugin))
    if as_json:
        print_json({"lineages": [_facts(item) for item in found]})
        return
    rows = [(item.owner, item.current or "-", item.head or "-", _verdict(item)) for item in found]
    print_table(("LINEAGE", "CURRENT", "NEWEST", "STATE"), rows)


@db.command()
@plugin_option
@json_option
@click.pass_context
def pending(context: click.Context, plugin: str | None, *, as_json: bool) -> None:
    """List what is pending; exit status 1 when something is, 78 when the database is newer."""
    found = asyncio.run(_states(_assembly(plugin), plugin))
    require_known(found)
    if as_json:
        print_json({"pending": {item.owner: list(item.pending) for item in found}})
    else:
        for item in found:
            for revision in item.pending:
                click.echo(f"{item.owner}: {revision}")
    if any(item.pending for item in found):
        context.exit(1)


@db.command()
@plugin_option
@json_option
@click.pass_context
def check(context: click.Context, plugin: str | None, *, as_json: bool) -> None:
    """Compare the tables with the installed code; exit status 1 when they differ."""
    found = asyncio.run(_drift(_assembly(plugin), plugin))
    if as_json:
        print_json({"differences": found})
    else:
        for owner, differences in found.items():
            for difference in differences:
                click.echo(f"{owner}: {difference}")
    if any(found.values()):
        context.exit(1)


@db.command()
@click.option("--plugin", metavar="NAME", default=CORE, show_default=True, help="Whose lineage.")
@click.option("-m", "--message", required=True, help="What the revision does, in a few words.")
def revision(plugin: str, message: str) -> None:
    """Write a revision from the differences between tables and code; for developers."""
    click.echo(asyncio.run(_revise(_assembly(plugin), plugin, message)))


def _assembly(plugin: str | None) -> Assembly:
    """The deployment; for one lineage, what other plugins are in doesn't matter."""
    if plugin is None:
        return sound_deployment()
    assembly = inspect_deployment().assembly
    broken = [problem for problem in assembly.plugins.problems if problem.plugin == plugin]
    if broken:
        raise UsageError(f"plugin {plugin!r} can't be used: {broken[0].message}", hint=broken[0].hint)
    return assembly


async def _upgrade(assembly: Assembly, plugin: str | None) -> Sequence[runner.AppliedRevision]:
    runner.chosen(assembly.plugins.registries, plugin)  # a wrong name leaves no empty database behind
    async with opened_database(assembly.settings) as database:
        with host_lock(database):
            return await runner.upgrade(database, assembly.plugins.registries, only=plugin)


async def _downgrade(assembly: Assembly, plugin: str, target: str) -> Sequence[runner.AppliedRevision]:
    async with opened_database(assembly.settings, may_make=False) as database:
        await require_present(database)  # the lock is a file, too
        with host_lock(database):
            return await runner.downgrade(database, assembly.plugins.registries, plugin, target)


async def _states(assembly: Assembly, plugin: str | None) -> list[LineageState]:
    async with opened_database(assembly.settings, may_make=False) as database:
        return await states(database, runner.chosen(assembly.plugins.registries, plugin))


async def _drift(assembly: Assembly, plugin: str | None) -> dict[str, list[str]]:
    async with opened_database(assembly.settings, may_make=False) as database:
        return await comparison.drift(database, runner.chosen(assembly.plugins.registries, plugin))


async def _revise(assembly: Assembly, plugin: str, message: str) -> str:
    (lineage,) = runner.chosen(assembly.plugins.registries, plugin)
    async with opened_database(assembly.settings, may_make=False) as database:
        return await comparison.revise(database, lineage, message)


def _facts(state: LineageState) -> dict[str, Any]:
    return {
        "lineage": state.owner,
        "current": state.current,
        "newest": state.head,
        "pending": list(state.pending),
        "known": state.known,
    }


def _verdict(state: LineageState) -> str:
    if not state.known:
        return "newer than the installed code"
    return f"{len(state.pending)} pending" if state.pending else "up to date"
