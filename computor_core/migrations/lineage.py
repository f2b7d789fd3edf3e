"""A lineage: the migrations of one owner, with a version table of its own.

Sharing one version table would make every alembic command fail once a plugin is uninstalled,
since its revisions could no longer be located.
"""

from __future__ import annotations

import importlib
import importlib.resources
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.config import Config

from computor_core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from computor_core.plugin_api.registrations import MigrationRegistration
    from computor_core.plugins.registries import Registered, Registries

CORE = "core"
_HOME = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Lineage:
    """The migrations of one owner.

    Attributes:
        owner: ``"core"`` or a plugin's name; ``Table.info["owner"]`` of its tables.
        versions: Folder with the revisions.
        models: Module that maps the tables.
        version_table: Table that holds the applied revision.
        after_core: Core revision that must be applied first, or None.
    """

    owner: str
    versions: Path
    models: str
    version_table: str
    after_core: str | None = None

    def table_names(self) -> frozenset[str]:
        """Names of the owner's tables, as the installed code maps them."""
        from computor_core.model import Base

        importlib.import_module(self.models)
        return frozenset(
            table.name for table in Base.metadata.tables.values() if table.info.get("owner") == self.owner
        )

    def config(
        self, connection: Connection | None = None, on_version_apply: Callable[..., None] | None = None
    ) -> Config:
        """Alembic's configuration for a command on this lineage."""
        config = Config(stdout=io.StringIO())
        config.set_main_option("script_location", _escaped(_HOME))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", _escaped(self.versions))
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        config.attributes.update(lineage=self, connection=connection, on_version_apply=on_version_apply)
        return config


def _escaped(path: Path) -> str:
    return os.fspath(path).replace("%", "%%")


CORE_LINEAGE = Lineage(
    owner=CORE, versions=_HOME / "versions", models="computor_core.model", version_table="alembic_version"
)


def lineages(registries: Registries) -> tuple[Lineage, ...]:
    """All lineages, core's first, the plugins' in the order of the settings.

    Raises:
        PluginError: A plugin's package has no ``versions`` folder.
    """
    return (CORE_LINEAGE, *(_of_plugin(item) for item in registries.migrations.values()))


def _of_plugin(registered: Registered[MigrationRegistration]) -> Lineage:
    registration = registered.registration
    try:
        versions = Path(str(importlib.resources.files(registration.package) / "versions"))
    except ModuleNotFoundError as error:
        raise PluginError(
            f"the migrations of plugin {registered.plugin} ({registered.distribution}) aren't there: {error}"
        ) from error
    if not versions.is_dir():
        raise PluginError(
            f"the migrations of plugin {registered.plugin} ({registered.distribution}) aren't in {versions}",
            hint="the package named in computor_migrations must hold a folder called versions",
        )
    return Lineage(
        owner=registered.plugin,
        versions=versions,
        models=registration.models,
        version_table=f"alembic_version_{registered.plugin}",
        after_core=registration.after_core,
    )
