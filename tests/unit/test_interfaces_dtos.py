"""What the DTOs let in, and what they promise of themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, ValidationError

from computor_core.catalogue import entities
from computor_core.interfaces import Requires, UpdateDto
from computor_core.interfaces.assignment_schedules import AssignmentScheduleCreate
from computor_core.interfaces.course_contents import CourseContentCreate, CourseContentUpdate
from computor_core.interfaces.courses import CourseCreate, CourseQuery, CourseUpdate
from computor_core.interfaces.organizations import OrganizationCreate

INTERFACES = [registration.interface for registration in entities.registrations()]
SECRETS = {
    "token_hash",
    "csrf_hash",
    "lease_hash",
    "email_key",
    "grants_epoch",
    "storage_instance",
    "external_id",
}


def dtos() -> list[type[BaseModel]]:
    kinds = ("create", "get", "list", "update", "query")
    return [
        dto for interface in INTERFACES for kind in kinds if (dto := getattr(interface, kind)) is not None
    ]


@pytest.mark.parametrize("dto", dtos(), ids=lambda dto: dto.__name__)
def test_every_field_is_documented_and_none_is_secret(dto: type[BaseModel]) -> None:
    for name, field in dto.model_fields.items():
        assert field.description, name
        assert name not in SECRETS


@pytest.mark.parametrize("dto", dtos(), ids=lambda dto: dto.__name__)
def test_every_dto_has_a_schema(dto: type[BaseModel]) -> None:
    assert dto.model_json_schema()["type"] == "object"


def test_a_field_with_an_action_of_its_own_can_be_null() -> None:
    """Callers who lack the action get null, so the schema must say so."""
    for interface in INTERFACES:
        for dto in (interface.get, interface.list):
            for name, field in dto.model_fields.items():
                if any(isinstance(item, Requires) for item in field.metadata):
                    schema = dto.model_json_schema()["properties"][name]
                    assert {"type": "null"} in schema.get("anyOf", []), (dto, name)


@pytest.mark.parametrize("slug", ["", "A", "a--b", "-a", "a-", "a.b", "a b", "ä", "a" * 65])
def test_slugs_are_plain(slug: str) -> None:
    with pytest.raises(ValidationError):
        CourseCreate(course_family_id=uuid4(), slug=slug, title="t")


@pytest.mark.parametrize("zone", ["", "Nowhere/Land", "../../etc/passwd", "/etc/localtime", "UTC\x00"])
def test_time_zones_are_those_of_the_database(zone: str) -> None:
    with pytest.raises(ValidationError):
        OrganizationCreate(slug="a", title="t", timezone=zone)


@pytest.mark.parametrize("position", ["", "0", "a0", "a-b", "ä"])
def test_positions_leave_room_below(position: str) -> None:
    with pytest.raises(ValidationError):
        CourseContentCreate(
            course_id=uuid4(), content_type_id=uuid4(), slug="a", title="t", position=position
        )


@pytest.mark.parametrize("points", ["-1", "0.00001", "1000001", "NaN", "Infinity"])
def test_points_are_exact_and_not_negative(points: str) -> None:
    with pytest.raises(ValidationError):
        AssignmentScheduleCreate.model_validate({"course_content_id": uuid4(), "points": points})


def test_instants_need_an_offset() -> None:
    with pytest.raises(ValidationError):
        AssignmentScheduleCreate.model_validate(
            {"course_content_id": uuid4(), "points": "1", "due_at": "2026-01-01T00:00:00"}
        )
    due = datetime(2026, 1, 1, tzinfo=UTC)
    assert (
        AssignmentScheduleCreate.model_validate(
            {"course_content_id": uuid4(), "points": "1", "due_at": due.isoformat()}
        ).due_at
        == due
    )


@pytest.mark.parametrize(
    "properties",
    [{"k": "x" * 20_000}, {"k": float("nan")}, {"k": "\x00"}, {"k": ["\x00"]}, {"k": "\ud800"}],
)
def test_properties_are_small_json_that_both_systems_store(properties: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OrganizationCreate(slug="a", title="t", properties=properties)


def test_text_with_nul_is_refused_everywhere() -> None:
    with pytest.raises(ValidationError):
        CourseUpdate(title="a\x00b")
    with pytest.raises(ValidationError):
        CourseQuery(title="\x00")


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        CourseUpdate.model_validate({"version": 3})


def test_an_update_changes_only_what_was_sent() -> None:
    assert CourseUpdate(title=" New ").changes() == {"title": "New"}
    assert CourseUpdate().changes() == {}
    assert CourseContentUpdate(parent_id=None).changes() == {"parent_id": None}


def test_null_is_refused_where_a_value_is_mandatory() -> None:
    with pytest.raises(ValidationError):
        CourseUpdate.model_validate({"title": None})


def test_the_schema_of_an_update_has_no_defaults() -> None:
    """A default would tell clients that leaving a field out sets it."""
    for interface in INTERFACES:
        if interface.update is not None:
            assert issubclass(interface.update, UpdateDto)
            for field in interface.update.model_json_schema()["properties"].values():
                assert "default" not in field


def test_a_query_tells_its_filters_apart_from_the_rest() -> None:
    query = CourseQuery(limit=5, sort="-title", slug="a")
    assert query.filters() == {"slug": "a", "archived": False}
    assert CourseQuery(archived=None).filters() == {}


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_pages_have_between_one_and_two_hundred_rows(limit: int) -> None:
    with pytest.raises(ValidationError):
        CourseQuery(limit=limit)
