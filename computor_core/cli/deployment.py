"""The deployment that a command works on: settings and plugins, sound or with their problems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from computor_core.db.engine import Database
from computor_core.db.trouble import explained
from computor_core.settings.assembly import Assembly, assemble, load_settings
from computor_core.settings.composition import check_core
from computor_core.settings.data_folder import prepare_data_folder
from computor_core.settings.model import Settings
from computor_core.settings.problems import SettingProblem
from computor_core.settings.sources import read_sources


@dataclass(frozen=True, slots=True)
class Inspection:
    """A deployment with whatever is wrong with it.

    Attributes:
        assembly: The plugins that can be used and their settings.
        setting_problems: What is wrong with the settings, core's and plugins'.
    """

    assembly: Assembly
    setting_problems: tuple[SettingProblem, ...]


def inspect_deployment() -> Inspection:
    """Look at the deployment without refusing anything but an unreadable settings file.

    Raises:
        ConfigurationError: The settings file can't be read.
    """
    settings, problems = check_core(read_sources())
    assembly = assemble(settings)
    return Inspection(assembly, (*problems, *assembly.configuration.problems))


def sound_deployment() -> Assembly:
    """The deployment, ready to work with.

    Raises:
        ConfigurationError: Something is wrong; everything that is, is listed.
    """
    assembly = assemble(load_settings())
    assembly.require_sound()
    return assembly


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[Database]:
    """The deployment's database; a folder for a SQLite file is made where there is none."""
    database = open_database(settings)
    try:
        with explained(database):
            yield database
    finally:
        await database.aclose()


def open_database(settings: Settings) -> Database:
    """The deployment's database, not connected yet.

    Raises:
        ConfigurationError: The address is malformed, or the data folder can't be made.
    """
    prepare_data_folder(settings.data_dir)
    return Database(
        settings.database_url,
        pool_size=settings.database.pool_size,
        statement_timeout=settings.database.statement_timeout,
    )
