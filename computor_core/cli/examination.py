"""The checks of ``computor doctor``; each catches what fails, so that the others still run."""

from __future__ import annotations

import logging
import stat
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from computor_core.cli.deployment import Inspection
from computor_core.cli.reading_doors import ReadingDoors
from computor_core.cli.round_trips import round_trip
from computor_core.clock import SystemClock
from computor_core.db.engine import Database
from computor_core.db.trouble import explained
from computor_core.errors import ComputorError, ConfigurationError, SchemaVersionError
from computor_core.migrations.lineage import lineages
from computor_core.migrations.startup import require_migrated
from computor_core.migrations.state import absent, states
from computor_core.plugin_api.providers.base import AppContext, HealthState
from computor_core.plugins.opening import open_instance
from computor_core.plugins.report import PluginState
from computor_core.security.keys import key_files, load_keys
from computor_core.settings.absent import absences
from computor_core.settings.data_folder import FOLDERS, private_folder

if TYPE_CHECKING:
    from computor_core.plugins.registries import Registries
    from computor_core.settings.composition import Instance
    from computor_core.settings.model import Settings


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found.

    Attributes:
        name: What was looked at.
        verdict: How it came out.
        message: One sentence where there is something to say.
        hint: What to do.
        facts: Versions, capabilities, …
    """

    name: str
    verdict: Verdict
    message: str = ""
    hint: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


_VERDICTS = {
    HealthState.OK: Verdict.OK,
    HealthState.DEGRADED: Verdict.WARNING,
    HealthState.DOWN: Verdict.FAILED,
}


async def examine(found: Inspection) -> list[Check]:
    """Run all checks."""
    assembly = found.assembly
    settings = assembly.settings
    checks = [*_settings(found), *_plugins(found), *_seams(found), _data_folder(settings.data_dir)]
    checks.append(await _guarded("keys", _keys(settings)))
    database = Database(settings.database_url, statement_timeout=settings.database.statement_timeout)
    try:
        checks.append(await _guarded("database", _database(database, assembly.plugins.registries)))
        for instance in assembly.configuration.instances:
            name = f"{instance.seam} instance {instance.name}"
            checks.append(await _guarded(name, _instance(settings, database, instance)))
    finally:
        await database.aclose()
    return checks


async def _guarded(name: str, check: Awaitable[Check]) -> Check:
    try:
        return await check
    except ComputorError as error:
        return Check(name, Verdict.FAILED, error.message, error.hint or "")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - reported, so that the other checks still run
        return Check(name, Verdict.FAILED, f"{type(error).__name__}: {error}")


def _settings(found: Inspection) -> list[Check]:
    if not found.setting_problems:
        return [Check("settings", Verdict.OK)]
    return [
        Check(f"setting {problem.path}", Verdict.FAILED, problem.message, problem.hint)
        for problem in found.setting_problems
    ]


def _plugins(found: Inspection) -> list[Check]:
    checks = []
    for record in found.assembly.plugins.records:
        name = f"plugin {record.name}"
        facts = {"distribution": f"{record.distribution} {record.version}".strip()}
        if record.state is PluginState.ACTIVE:
            verdict = Verdict.WARNING if record.warnings else Verdict.OK
            checks.append(Check(name, verdict, "; ".join(record.warnings), facts=facts))
        elif record.state is not PluginState.DISABLED:
            checks += [
                Check(name, Verdict.FAILED, problem.message, problem.hint, facts)
                for problem in found.assembly.plugins.problems
                if problem.plugin == record.name
            ]
    return checks


def _seams(found: Inspection) -> list[Check]:
    present = {instance.seam for instance in found.assembly.configuration.instances}
    return [Check("instances", Verdict.WARNING, absence) for absence in absences(present)]


def _data_folder(path: Path) -> Check:
    label = "data folder"
    try:
        for folder in (path, *(path / name for name in FOLDERS)):
            private_folder(folder)
        mode = stat.S_IMODE(path.stat().st_mode)
        probe = path / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except ConfigurationError as error:
        return Check(label, Verdict.FAILED, error.message, error.hint or "")
    except OSError as error:
        return Check(label, Verdict.FAILED, f"{path}: {error.strerror or error}", "data_dir names the folder")
    facts = {"path": str(path), "mode": f"{mode:04o}"}
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check(label, Verdict.WARNING, "other users may enter it", f"run chmod 700 {path}", facts)
    return Check(label, Verdict.OK, facts=facts)


async def _keys(settings: Settings) -> Check:
    security = settings.security
    files = settings.data_dir, security.master_key_file, security.signing_key_file
    missing = [path for path in key_files(*files) if not path.exists()]
    if not missing:
        return Check("keys", Verdict.OK, facts={"master": load_keys(*files).master.current})
    named = [str(path) for path in missing if path in files]
    if named:
        return Check("keys", Verdict.FAILED, f"not there: {', '.join(named)}", "[security] names the files")
    return Check("keys", Verdict.OK, "the first start makes what isn't there")


async def _database(database: Database, registries: Registries) -> Check:
    facts = {"address": database.safe_url}
    problem = None
    with explained(database):
        try:
            await require_migrated(database, registries)
        except SchemaVersionError as error:
            problem = error
        if not await absent(database):
            async with database.reader.connect() as connection:
                if database.is_sqlite:
                    facts["version"] = f"SQLite {await connection.scalar(text('SELECT sqlite_version()'))}"
                    facts["journal"] = str(await connection.scalar(text("PRAGMA journal_mode")))
                else:
                    facts["version"] = f"PostgreSQL {await connection.scalar(text('SHOW server_version'))}"
            found = await states(database, lineages(registries))
            facts |= {f"lineage {item.owner}": item.current or "nothing" for item in found}
    if problem is not None:
        return Check("database", Verdict.FAILED, problem.message, problem.hint or "", facts)
    return Check("database", Verdict.OK, facts=facts)


async def _instance(settings: Settings, database: Database, instance: Instance) -> Check:
    name = f"{instance.seam} instance {instance.name}"
    plugin = instance.provider.plugin
    context = AppContext(
        instance=instance.name,
        plugin=plugin,
        data_dir=private_folder(settings.data_dir / instance.seam / instance.name),
        public_url=settings.public_url,
        clock=SystemClock(),
        log=logging.getLogger(f"computor.plugins.{plugin}.{instance.name}"),
        services=ReadingDoors(database),
    )
    async with AsyncExitStack() as stack:
        provider = await open_instance(stack, instance, context)
        health = await provider.health()
        facts = {"type": instance.provider.registration.type, "plugin": plugin, **health.facts}
        facts["capabilities"] = ", ".join(sorted(item.value for item in provider.capabilities)) or "none"
        if health.state is not HealthState.DOWN:
            facts |= await round_trip(provider, settings.runner.minimum_isolation)
    return Check(name, _VERDICTS[health.state], health.message, facts=facts)
