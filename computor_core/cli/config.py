"""``computor config``: what can be set, and whether it is set well."""

from __future__ import annotations

import click

from computor_core.cli.deployment import inspect_deployment
from computor_core.cli.output import json_option, print_json
from computor_core.settings.absent import absences
from computor_core.settings.assembly import startup_error
from computor_core.settings.reference import json_schema, template


@click.group()
def config() -> None:
    """Settings: from computor.toml ($COMPUTOR_CONFIG) and COMPUTOR_... variables."""


@config.command("template")
def print_template() -> None:
    """Print a settings file with every setting, its meaning and its default."""
    click.echo(template(inspect_deployment().assembly), nl=False)


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the settings, those of the enabled plugins included."""
    print_json(json_schema(inspect_deployment().assembly))


@config.command()
@json_option
@click.pass_context
def check(context: click.Context, *, as_json: bool) -> None:
    """Check the settings; exit status 78 when something is wrong."""
    found = inspect_deployment()
    plugin_problems = found.assembly.plugins.problems
    error = startup_error(plugin_problems, found.setting_problems)
    warnings = absences({instance.seam for instance in found.assembly.configuration.instances})
    if as_json:
        print_json(
            {
                "ok": error is None,
                "warnings": warnings,
                "settings": [problem.facts() for problem in found.setting_problems],
                "plugins": [problem.facts() for problem in plugin_problems],
            }
        )
        if error is not None:
            context.exit(error.exit_status)
        return
    if error is not None:
        raise error
    for warning in warnings:
        click.echo(f"warning: {warning}")
    click.echo("the settings are sound")
