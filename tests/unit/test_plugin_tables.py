"""Plugins' tables: whose they are, and that none keeps core from migrating or deleting."""

import sys
import types
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.interfaces import EntityInterface
from computor_core.model import Base
from computor_core.plugin_api import MigrationRegistration
from computor_core.plugin_api.entities import EntityRegistration
from computor_core.plugins.loader import PluginSet
from tests.plugin_stand_ins import installed, load, plugin


@pytest.fixture
def models(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    """A module that maps nothing yet; tables that a test adds are taken away again."""
    module = types.ModuleType("test_plugin_loader_models")
    sys.modules[module.__name__] = module
    before = set(Base.metadata.tables)
    yield module
    del sys.modules[module.__name__]
    for name in set(Base.metadata.tables) - before:
        Base.metadata.remove(Base.metadata.tables[name])
    for mapper in [item for item in Base.registry.mappers if item.class_.__module__ == module.__name__]:
        Base.registry._dispose_cls(mapper.class_)


def table(name: str, owner: str, ondelete: str | None) -> None:
    sa.Table(
        name,
        Base.metadata,
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("user.id", ondelete=ondelete)),
        info={"owner": owner},
    )


def with_tables(models: types.ModuleType) -> PluginSet:
    registration = MigrationRegistration(package="p.migrations", models=models.__name__)
    return load(installed("notes", plugin("notes", migrations=[registration])))


@pytest.mark.parametrize("ondelete", ["CASCADE", "SET NULL", "set null"])
def test_tables_with_harmless_foreign_keys_are_fine(models: types.ModuleType, ondelete: str) -> None:
    table("notes_note", "notes", ondelete)
    assert with_tables(models).problems == ()


@pytest.mark.parametrize("ondelete", [None, "RESTRICT", "NO ACTION"])
def test_a_foreign_key_that_could_block_a_delete_is_refused(
    models: types.ModuleType, ondelete: str | None
) -> None:
    table("notes_note", "notes", ondelete)
    assert "must be ON DELETE CASCADE or SET NULL" in with_tables(models).problems[0].message


def test_a_table_must_carry_the_prefix(models: types.ModuleType) -> None:
    table("note", "notes", "CASCADE")
    assert "table 'note' must begin with 'notes_'" in with_tables(models).problems[0].message


def mapped(models: types.ModuleType, name: str, **options: Any) -> None:
    """A class that the models map, as an author writes one."""
    user = sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"))
    namespace = {
        "__module__": models.__name__,
        "__tablename__": name,
        "__table_args__": options,
        "__annotations__": {"id": Mapped[UUID]},
        "id": mapped_column(primary_key=True),
        "user_id": user,
    }
    setattr(models, name, type(name, (Base,), namespace))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "table 'notes_loose' names no owner"),
        ({"info": {"owner": "core"}}, "table 'notes_loose' names the owner 'core'"),
        ({"info": {"owner": "other"}}, "table 'notes_loose' names the owner 'other'"),
    ],
)
def test_a_table_that_hides_its_owner_escapes_no_rule(
    models: types.ModuleType, options: dict[str, Any], says: str
) -> None:
    table("notes_note", "notes", "CASCADE")
    mapped(models, "notes_loose", **options)
    assert says in with_tables(models).problems[0].message


def test_the_model_of_an_entity_counts_wherever_it_lies(models: types.ModuleType) -> None:
    mapped(models, "notes_loose", info={"owner": "notes"})
    whole = {"endpoint": "x/notes/notes", "get": None, "list": None, "query": None}
    interface = type("Notes", (EntityInterface,), whole)
    registration = EntityRegistration(interface, f"{models.__name__}:notes_loose", "s", {})
    found = load(installed("notes", plugin("notes", entities=[registration])))
    assert "it maps tables and registers no migrations" in found.problems[0].message


def test_a_foreign_key_that_leads_nowhere_is_told(models: types.ModuleType) -> None:
    key = sa.Column("user_id", sa.ForeignKey("usr.id", ondelete="CASCADE"))
    sa.Table("notes_note", Base.metadata, key, info={"owner": "notes"})
    message = with_tables(models).problems[0].message
    assert "the foreign key of table 'notes_note' on user_id leads nowhere" in message
    assert "'usr'" in message


def test_anothers_tables_of_the_same_owner_are_not_the_plugins(models: types.ModuleType) -> None:
    mapped(models, "notes_note", info={"owner": "notes"})
    assert load(installed("notes", plugin("notes"))).problems == ()


def test_a_lineage_without_tables_is_refused(models: types.ModuleType) -> None:
    assert "maps no table" in with_tables(models).problems[0].message


def test_tables_without_a_lineage_are_refused(models: types.ModuleType) -> None:
    table("notes_note", "notes", "CASCADE")
    assert "registers no migrations" in load(installed("notes", plugin("notes"))).problems[0].message


def test_models_that_cant_be_imported_are_told() -> None:
    registration = MigrationRegistration(package="p", models="surely.not.there")
    found = load(installed("notes", plugin("notes", migrations=[registration])))
    assert "its models 'surely.not.there' can't be imported" in found.problems[0].message
