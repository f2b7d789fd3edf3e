"""``computor doctor``: whether this deployment can work, part by part."""

from __future__ import annotations

import asyncio
import dataclasses

import click

from computor_core.cli.deployment import inspect_deployment
from computor_core.cli.examination import Check, Verdict, examine
from computor_core.cli.output import json_option, print_json


@click.command()
@json_option
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Examine settings, plugins, data folder, database and every provider instance.

    Folders that are missing are made, and a test blob is written to each storage and removed again;
    nothing else is changed. Exit status 1 when something fails.
    """
    checks = asyncio.run(examine(inspect_deployment(thorough=True)))
    failed = [check for check in checks if check.verdict is Verdict.FAILED]
    if as_json:
        facts = [dataclasses.asdict(check) | {"verdict": check.verdict.value} for check in checks]
        print_json({"ok": not failed, "checks": facts})
    else:
        for check in checks:
            _print(check)
        click.echo(f"{len(checks)} checks, {len(failed)} failed")
    if failed:
        context.exit(1)


def _print(check: Check) -> None:
    click.echo(f"{check.verdict.value:<8} {check.name}" + (f": {check.message}" if check.message else ""))
    for name, value in check.facts.items():
        click.echo(f"{'':<11}{name}: {value}")
    if check.hint:
        click.echo(f"{'':<11}hint: {check.hint}")
