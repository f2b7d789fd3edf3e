"""``computor plugins``: what is installed, what is used and what is wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from computor_core.cli.deployment import Inspection, inspect_deployment
from computor_core.cli.output import json_option, print_json, print_table
from computor_core.errors import UsageError
from computor_core.plugins.listing import registrations_of
from computor_core.plugins.report import PluginRecord


@click.group()
def plugins() -> None:
    """Look at plugins; works with broken ones installed."""


@plugins.command("list")
@json_option
def list_plugins(*, as_json: bool) -> None:
    """List every plugin that is installed or enabled."""
    records = inspect_deployment(thorough=True).assembly.plugins.records
    if as_json:
        print_json({"plugins": [_record_facts(record) for record in records]})
        return
    print_table(
        ("NAME", "STATE", "VERSION", "DISTRIBUTION", "SUMMARY OR REASON"),
        [
            (item.name, item.state.value, item.version, item.distribution, item.reason or item.summary)
            for item in records
        ],
    )


@plugins.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show one plugin: its state, problems and everything that it registers."""
    loaded = inspect_deployment(thorough=True).assembly.plugins
    record = next((item for item in loaded.records if item.name == name), None)
    if record is None:
        known = ", ".join(item.name for item in loaded.records)
        raise UsageError(f"no plugin {name!r} is installed or enabled", hint=f"plugins here: {known}")
    problems = [item.facts() for item in loaded.problems if item.plugin == name]
    registered = registrations_of(name, loaded.registries)
    if as_json:
        print_json({**_record_facts(record), "problems": problems, "registrations": registered})
        return
    for label, value in _record_facts(record).items():
        if value:
            click.echo(f"{label + ':':<14}{', '.join(value) if isinstance(value, list) else value}")
    for problem in problems:
        click.echo(f"problem:      {problem['message']}\n  hint: {problem['hint']}")
    for kind, names in registered.items():
        click.echo(f"{kind}:")
        for line in names:
            click.echo(f"  {line}")


@plugins.command()
@json_option
@click.pass_context
def check(context: click.Context, *, as_json: bool) -> None:
    """Report everything that is wrong, in one go; exit status 1 when something is."""
    found = inspect_deployment(thorough=True)
    report = check_report(found)
    if as_json:
        print_json(report)
    else:
        _print_report(found)
    if not report["ok"]:
        context.exit(1)


def check_report(found: Inspection) -> dict[str, Any]:
    """The report of ``plugins check`` for a program."""
    loaded = found.assembly.plugins
    return {
        "ok": not (loaded.problems or found.setting_problems),
        "plugins": [_record_facts(record) for record in loaded.records],
        "problems": [problem.facts() for problem in loaded.problems],
        "settings": [problem.facts() for problem in found.setting_problems],
    }


def _print_report(found: Inspection) -> None:
    loaded = found.assembly.plugins
    for problem in loaded.problems:
        click.echo(problem.line())
    for setting in found.setting_problems:
        click.echo(setting.line())
    for record in loaded.records:
        for warning in record.warnings:
            click.echo(f"{record.name}: warning: {warning}")
    active = len(loaded.active)
    wrong = len(loaded.problems) + len(found.setting_problems)
    click.echo(f"{active} plugins active, {wrong} problems")


def _record_facts(record: PluginRecord) -> dict[str, Any]:
    facts = dataclasses.asdict(record)
    return {**facts, "state": record.state.value, "warnings": list(record.warnings)}
