"""Rules for plugins' tables: own names, own lineage, and foreign keys that never block a delete."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from computor_core.plugins.rules import CORE_PLUGIN
from computor_core.targets import raised

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
    from computor_core.model import Base  # here: a deployment without plugins loads no tables for this

    models = [registration.models for registration in offer.migrations]
    modules = {*models, *(entity.model.partition(":")[0] for entity in offer.entities)}
    before = frozenset(Base.metadata.tables)
    for module in sorted(modules):
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
            yield f"its models {module!r} can't be imported: {raised(error)}"
            return
    tables = _tables(offer, before, modules)
    if tables and not models:
        yield "it maps tables and registers no migrations"
    if models and not tables:
        yield f"{models[0]!r} maps no table with info={{'owner': {offer.plugin!r}}}"
    for table in tables:
        yield from _table(table, offer)


def _tables(offer: Offer, before: frozenset[str], modules: set[str]) -> list[Table]:
    """The plugin's tables: by the module that maps them, whatever they say of their owner.

    A table that no class maps counts by its owner; without one, it is the plugin's whose models
    brought it.
    """
    from computor_core.model import Base

    homes = {id(mapper.local_table): mapper.class_.__module__ for mapper in Base.registry.mappers}
    inside = tuple(module for module in {offer.package, *modules} if module and not _of_core(module))
    found = []
    for table in Base.metadata.tables.values():
        home, owner = homes.get(id(table)), table.info.get("owner")
        if home is not None:
            ours = any(home == module or home.startswith(f"{module}.") for module in inside)
        else:
            ours = owner == offer.plugin or (owner in {None, CORE_PLUGIN} and table.name not in before)
        if ours:
            found.append(table)
    return found


def _of_core(module: str) -> bool:
    return module.partition(".")[0] == "computor_core"


def _table(table: Table, offer: Offer) -> Iterator[str]:
    from sqlalchemy.exc import NoReferenceError

    owner = table.info.get("owner")
    if owner != offer.plugin:
        says = "no owner" if owner is None else f"the owner {owner!r}"
        yield f"table {table.name!r} names {says}; it needs info={{'owner': {offer.plugin!r}}}"
    if not table.name.startswith(offer.table_prefix):
        yield f"table {table.name!r} must begin with {offer.table_prefix!r}"
    for constraint in table.foreign_key_constraints:
        columns = ", ".join(constraint.column_keys)
        try:
            target = next(key.column.table for key in constraint.elements)
        except NoReferenceError as error:
            yield f"the foreign key of table {table.name!r} on {columns} leads nowhere: {error}"
            continue
        if target.info.get("owner") != offer.plugin and (constraint.ondelete or "").upper() not in _HARMLESS:
            yield (
                f"the foreign key of table {table.name!r} on {columns} to {target.name!r} "
                "must be ON DELETE CASCADE or SET NULL"
            )
