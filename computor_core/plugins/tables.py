"""Rules for plugins' tables: own names, own lineage, and foreign keys that never block a delete."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from computor_core.plugins.rules import CORE_PLUGIN

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.plugins.offer import Offer

_HARMLESS = frozenset({"CASCADE", "SET NULL"})


def broken_table_rules(offer: Offer) -> Iterator[str]:
    """What is wrong with a plugin's tables, one sentence each; imports its models.

    A plugin that is removed leaves its tables behind. They must neither keep core from
    migrating nor from deleting a row, hence the prefix, the lineage and the CASCADE or SET NULL.
    """
    if offer.plugin == CORE_PLUGIN:
        return
    models = [registration.models for registration in offer.migrations]
    for module in models:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
            yield f"its models {module!r} can't be imported: {type(error).__name__}: {error}"
            return
    from computor_core.model.base import Base

    tables = [table for table in Base.metadata.sorted_tables if table.info.get("owner") == offer.plugin]
    if tables and not models:
        yield "it maps tables and registers no migrations"
    if models and not tables:
        yield f"{models[0]!r} maps no table with info={{'owner': {offer.plugin!r}}}"
    for table in tables:
        yield from _table(table, offer)


def _table(table: Table, offer: Offer) -> Iterator[str]:
    if not table.name.startswith(offer.table_prefix):
        yield f"table {table.name!r} must begin with {offer.table_prefix!r}"
    for constraint in table.foreign_key_constraints:
        target = constraint.referred_table
        if target.info.get("owner") != offer.plugin and (constraint.ondelete or "").upper() not in _HARMLESS:
            columns = ", ".join(constraint.column_keys)
            yield (
                f"the foreign key of table {table.name!r} on {columns} to {target.name!r} "
                "must be ON DELETE CASCADE or SET NULL"
            )
