"""How the reference puts code into words."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from uuid import UUID

import click
import pytest
from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr

from computor_core.interfaces import (
    Contains,
    CreateDto,
    EntityFields,
    EntityInterface,
    ListQuery,
    Requires,
)
from computor_core.plugin_api import CommandRegistration
from computor_core.plugin_api.entities import Command, EntityRegistration, Erasure, Operation, Personal, Ref
from computor_core.plugin_api.events import Event
from computor_core.plugins.loader import PluginSet
from computor_core.plugins.registries import Registered, Registries
from tools.reference.docstrings import attribute_texts, parse
from tools.reference.errors import PagesError
from tools.reference.inventory import Inventory
from tools.reference.markdown import prose, table
from tools.reference.members import Member, import_all, read_members
from tools.reference.pages import commands, entities
from tools.reference.pages.events import known_events
from tools.reference.pages.settings import settings_of
from tools.reference.schemas import Words
from tools.reference.shapes import class_text, fields_table, module_text, signature_text
from tools.reference.writing import differences, write


class Mood(StrEnum):
    """How it is."""

    GOOD = "good"
    """All is well."""
    BAD = "bad"


@dataclass(frozen=True)
class Root:
    """Shared.

    Attributes:
        first, second: Two that share
            a text.
    """

    first: int
    second: str | None = None


@dataclass(frozen=True)
class Leaf(Root):
    """A leaf.

    Attributes:
        mood: Its mood.
    """

    mood: Mood = Mood.GOOD
    more: dict[str, int] = field(default_factory=dict)


class Contract:
    """What is promised."""

    seam = "sample"

    async def put(self, request: Leaf, *, limit: int = 3) -> UUID | None:
        """Put it.

        Args:
            request: What.

        Returns:
            The id.

        Raises:
            PagesError: It is
                broken.
        """

    @property
    def size(self) -> int:
        """How big it is."""
        return 0

    def _private(self) -> None:
        """Not shown."""


class TestDocstrings:
    def test_a_docstring_comes_apart_into_summary_body_and_sections(self):
        found = parse(
            """One line.

            A paragraph
            of two lines.

            Args:
                a: First.
                b, c: Others,
                    on two lines.

            Since: 0.1
            """
        )
        assert found.summary == "One line."
        assert found.body == "A paragraph\nof two lines."
        assert found.entries("Args") == {
            "a": "First.",
            "b": "Others, on two lines.",
            "c": "Others, on two lines.",
        }
        assert found.sections["Since"] == "0.1"

    def test_no_docstring_is_an_empty_one(self):
        assert parse(None).text == ""

    def test_strings_below_assignments_document_them(self):
        assert attribute_texts(Mood) == {"GOOD": "All is well."}


class TestShapes:
    def test_a_signature_is_as_it_was_written(self):
        assert signature_text(Contract.put) == (
            "async def put(self, request: Leaf, *, limit: int = 3) -> UUID | None"
        )

    def test_a_long_signature_gets_a_line_for_each_parameter(self):
        def long(
            a_rather_long_name: int, *, another_rather_long_name: str = "with a default", third: int
        ) -> None:
            """Long."""

        assert signature_text(long) == (
            "def long(\n    a_rather_long_name: int,\n    *,\n"
            "    another_rather_long_name: str = 'with a default',\n    third: int,\n) -> None"
        )

    def test_fields_come_with_inherited_ones_and_their_texts(self):
        assert fields_table(Leaf).splitlines()[2:] == [
            "| `first` | `int` |  | Two that share a text. |",
            "| `second` | `str \\| None` | `None` | Two that share a text. |",
            "| `mood` | `Mood` | `Mood.GOOD` | Its mood. |",
            "| `more` | `dict[str, int]` | `{}` |  |",
        ]

    def test_a_class_shows_its_public_methods_with_arguments_answers_and_errors(self):
        text = class_text(Contract, 2)
        assert "Seam: `sample`." in text
        assert "### `put`" in text
        assert "| `request` | What. |" in text
        assert "Returns: The id." in text
        assert "| `PagesError` | It is broken. |" in text
        assert "@property\ndef size(self) -> int" in text
        assert "_private" not in text
        assert "\n\n\n" not in text

    def test_a_module_shows_what_it_defines_and_nothing_that_it_imports(self):
        text = module_text(sys.modules["tools.reference.markdown"], 2)
        assert "| `GENERATED` | `'<!-- Generated" in text
        assert "## `table`" in text
        assert "Iterable`" not in text.replace("Iterable[", "")


class TestMarkdown:
    def test_roles_and_literals_become_code_and_brackets_stay_brackets(self):
        assert prose(":class:`~a.B` takes ``[x]``, [1] and <name>") == (
            "`a.B` takes `[x]`, \\[1\\] and \\<name\\>"
        )

    def test_an_empty_column_is_left_out_and_an_empty_table_is_none(self):
        assert table(["A", "B"], [["1", ""], ["2", ""]]) == "| A |\n| --- |\n| 1 |\n| 2 |"
        assert table(["A"], []) == ""

    def test_a_bar_does_not_end_a_cell(self):
        assert table(["A"], [["x | y\nz"]]).endswith("| x \\| y z |")


class Inner(BaseModel):
    depth: int = Field(1, ge=1, le=9, description="How deep.")


class Sample(BaseModel):
    """A sample.

    Attributes:
        size: How big.
    """

    model_config = ConfigDict(extra="forbid")

    size: ByteSize = Field(default=ByteSize(2048), ge=1024)
    secret: SecretStr | None = Field(None, description="Don't tell.")
    mode: Literal["fast", "safe"] = Field("safe", description="How.")
    inner: Inner = Field(default_factory=Inner, description="Inside.")
    many: tuple[Inner, ...] = Field(default=(), description="Several.")
    place: Path = Field(default_factory=lambda: Path.home(), description="Where.")
    needed: list[str] = Field(description="Must be.")


class TestSettings:
    def test_each_setting_has_type_default_and_meaning(self):
        found = {".".join(item.path): item for item in settings_of(Sample, ("plugins", "x"))}
        assert {name: (item.type, item.default, item.text) for name, item in found.items()} == {
            "plugins.x.size": (
                'bytes, or a text with a unit such as `"100MiB"`, at least 1024',
                "`2048`",
                "How big.",
            ),
            "plugins.x.secret": ("secret text or null", "none", "Don't tell."),
            "plugins.x.mode": ("`fast`, `safe`", '`"safe"`', "How."),
            "plugins.x.inner.depth": ("integer, at least 1, at most 9", "`1`", "How deep."),
            "plugins.x.many[].depth": ("integer, at least 1, at most 9", "`1`", "How deep."),
            "plugins.x.place": ("path", "depends on the machine", "Where."),
            "plugins.x.needed": ("list of text", "needed", "Must be."),
        }

    def test_a_variable_names_the_same_path_unless_a_list_is_on_the_way(self):
        found = {".".join(item.path): item.variable for item in settings_of(Sample, ("plugins", "x"))}
        assert found["plugins.x.inner.depth"] == "COMPUTOR_PLUGINS__X__INNER__DEPTH"
        assert found["plugins.x.many[].depth"] == ""


class TestSchemas:
    @pytest.mark.parametrize(
        ("annotation", "words"),
        [
            (int, "integer"),
            (Annotated[str, Field(max_length=9, pattern="^a")], "text, at most 9 characters matching `^a`"),
            (UUID | None, "UUID or null"),
            (Decimal, "decimal"),
            (Annotated[Decimal, Field(ge=0)] | None, "decimal, at least 0 or null"),
            (Annotated[list[UUID], Field(max_length=3)], "list of UUID, at most 3 entries"),
            (dict[str, int], "table of integer"),
            (Mood, "`good`, `bad`"),
            (list[Inner], "list of `Inner`"),
            (Any, "any JSON value"),
            (bool, "true or false"),
            (Literal["one"], "`one`"),
        ],
    )
    def test_a_type_in_words(self, annotation, words):
        model = type(
            "Model", (BaseModel,), {"__annotations__": {"value": annotation}, "__module__": __name__}
        )
        (found,) = Words.of(model).properties()
        assert found.type == words


class TestMembers:
    def test_the_workspace_has_core_first_and_every_plugin(self):
        members = read_members(Path(__file__).parents[2])
        assert members[0].name == "computor-core"
        assert {"computor-storage-local", "computor-fastapi-host", "computor-cli"} <= {
            m.name for m in members
        }

    def test_a_module_that_cannot_be_imported_is_named(self, tmp_path, monkeypatch):
        package = tmp_path / "broken_sample"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "bad.py").write_text("raise RuntimeError('why')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(PagesError, match=r"broken_sample\.bad can't be imported: RuntimeError: why"):
            import_all([Member("broken-sample", tmp_path, ("broken_sample",))])


def test_an_event_is_known_once():
    events = list(known_events(Event))
    assert len(events) == len({event.name for event in events}) > 5


def test_writing_changes_what_differs_and_removes_what_is_no_page(tmp_path):
    folder = tmp_path / "reference"
    assert write({"a.md": "# A\n", "b.md": "# B\n"}, folder) == ["a.md", "b.md"]
    assert differences({"a.md": "# A\n", "b.md": "# B\n"}, folder) == ""
    assert write({"a.md": "# A\n", "c.md": "# C\n"}, folder) == ["b.md", "c.md"]
    assert sorted(file.name for file in folder.iterdir()) == ["a.md", "c.md"]
    assert "+# Changed" in differences({"a.md": "# Changed\n", "c.md": "# C\n"}, folder)


class ShelfCreate(CreateDto):
    title: str = Field(max_length=80, description="Its title.")
    owner_id: UUID = Field(description="Whose it is.")


class ShelfList(EntityFields):
    title: str = Field(description="Its title.")


class ShelfGet(ShelfList):
    secret: Annotated[str | None, Requires("shelf.manage")] = Field(description="What only some see.")
    inner: list[Inner] = Field(description="What is inside.")


class ShelfQuery(ListQuery):
    title: Annotated[str | None, Contains()] = Field(None, description="A part of it.")


class ShelfInterface(EntityInterface):
    endpoint = "shelves"
    create, get, list, query = ShelfCreate, ShelfGet, ShelfList, ShelfQuery


SHELVES = EntityRegistration(
    ShelfInterface,
    "sample.model:Shelf",
    "Where books stand.",
    {Operation.GET: "shelf.read", Operation.LIST: "shelf.read", Operation.CREATE: "shelf.manage"},
    refs=(Ref("owner_id", "users", "user.refer", parent=True, same={"course_id": "course_id"}),),
    personal={"owner_id": Personal(Erasure.KEEP, reason="The books are his.")},
    commands=(
        Command("move", "Move it.", ShelfCreate, None, "shelf.manage", "sample.commands:move", status=204),
    ),
    sort=("title",),
)


def inventory_of(registries: Registries, commands: dict[str, Any] | None = None) -> Inventory:
    return Inventory(Path(), (), {}, PluginSet((), (), (), registries), commands or {})


class TestPages:
    def test_an_entity_is_described_from_its_registration_alone(self):
        registries = Registries(entities={"shelves": Registered("core", "computor-core", SHELVES)})
        lines = entities.render(inventory_of(registries)).splitlines()
        compares = "The text contains the value, whatever the case of ASCII letters"
        for line in (
            "| list | `GET /api/v1/shelves` | `shelf.read` |",
            "| create | `POST /api/v1/shelves` | `shelf.manage` |",
            "| `secret` | text or null |  | yes |  | `shelf.manage` | What only some see. |",
            "| `owner_id` | UUID | needed |  |  |  | Whose it is. |",
            "| `depth` | integer, at least 1, at most 9 | How deep. |",
            "Sorted by: `id`, `title`.",
            f"| `title` | {compares} | text or null | A part of it. |",
            "| `owner_id` | `users` | `user.refer` | yes | `course_id = course_id` |",
            "| `owner_id` | keep | yes | The books are his. |",
            "### `move` (`POST /api/v1/shelves/{id}/move`)",
            "Move it. Action: `shelf.manage`. Answers 204.",
        ):
            assert line in lines, line
        assert not any(line.startswith(("| update |", "| delete |")) for line in lines)

    def test_a_plugins_command_stands_below_its_plugin(self):
        registration = CommandRegistration("count", f"{__name__}:count", "Count them")
        registries = Registries(commands={("sample", "count"): Registered("sample", "d", registration)})
        text = commands.render(inventory_of(registries))
        assert "## `computor x sample count`\n\n```\nUsage: computor x sample count [OPTIONS]" in text
        assert "Count what is there." in text

    def test_the_group_of_plugins_commands_is_shown_as_a_group_without_its_list(self):
        entry = SimpleNamespace(load=lambda: click.Group("x", commands=[count], help="Of plugins."))
        text = commands.render(inventory_of(Registries(), {"x": entry}))
        assert "Usage: computor x [OPTIONS] COMMAND [ARGS]...\n\n  Of plugins." in text
        assert "Commands:" not in text

    def test_what_is_no_command_is_refused(self):
        registration = CommandRegistration("path", "pathlib:Path", "No command")
        registries = Registries(commands={("sample", "path"): Registered("sample", "d", registration)})
        with pytest.raises(PagesError, match="no click command"):
            commands.render(inventory_of(registries))


@click.command()
def count() -> None:
    """Count what is there."""
