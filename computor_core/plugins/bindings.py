"""Provider bindings, and the instances that rows of the database refer to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select

from computor_core.errors import ConfigurationError
from computor_core.model import (
    Account,
    Blob,
    Course,
    CourseFamily,
    CourseRepository,
    MemberRepository,
    Organization,
    Outbox,
    ProviderBinding,
    TestQueue,
    WorkflowRun,
)
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.orm import InstrumentedAttribute

_INDEXED: tuple[tuple[str, InstrumentedAttribute[str]], ...] = (
    ("storage", Blob.storage_instance),
    ("git", CourseRepository.git_instance),
    ("git", MemberRepository.git_instance),
    ("auth", Account.auth_instance),
)
"""Columns with an index that begins with them; artifacts and examples consist of blobs."""

_UNFINISHED: tuple[tuple[str, InstrumentedAttribute[str], ColumnElement[bool]], ...] = (
    ("runner", TestQueue.runner_instance, TestQueue.state != "done"),
    ("engine", WorkflowRun.engine_instance, WorkflowRun.settled_at.is_(None)),
    ("engine", Outbox.engine_instance, Outbox.dispatched_at.is_(None)),
)
"""Work that an instance has still to do; what is done names its instance as history."""


async def bound_instance(
    connection: AsyncConnection,
    seam: str,
    *,
    course_id: UUID | None,
    course_family_id: UUID | None,
    organization_id: UUID | None,
) -> str | None:
    """The instance that the nearest binding names, or None."""
    scopes = await _scopes(connection, course_id, course_family_id, organization_id)
    binding = ProviderBinding
    ours = [and_(binding.scope == kind, binding.scope_key == key) for kind, key in scopes]
    rows = await connection.execute(
        select(binding.scope, binding.scope_key, binding.instance).where(binding.seam == seam, or_(*ours))
    )
    bound = {(row.scope, row.scope_key): row.instance for row in rows}
    return next((bound[scope] for scope in scopes if scope in bound), None)


async def _scopes(
    connection: AsyncConnection,
    course_id: UUID | None,
    course_family_id: UUID | None,
    organization_id: UUID | None,
) -> list[tuple[str, str]]:
    """The scopes that an object lies in, as binding keys, nearest first."""
    scopes: list[tuple[str, str]] = []
    if course_id is not None:
        row = (
            await connection.execute(
                select(Course.course_family_id, Course.organization_id).where(Course.id == course_id)
            )
        ).one_or_none()
        scopes.append((ScopeKind.COURSE.value, str(course_id)))
        if row is not None:
            course_family_id, organization_id = row.course_family_id, row.organization_id
    if course_family_id is not None:
        scopes.append((ScopeKind.FAMILY.value, str(course_family_id)))
        if organization_id is None:
            organization_id = await connection.scalar(
                select(CourseFamily.organization_id).where(CourseFamily.id == course_family_id)
            )
    if organization_id is not None:
        scopes += [
            (ScopeKind.ORGANIZATION.value, str(key)) for key in await _chain(connection, organization_id)
        ]
    return [*scopes, (ScopeKind.GLOBAL.value, "")]


async def _chain(connection: AsyncConnection, organization_id: UUID) -> list[UUID]:
    """An organization and those above it, nearest first."""
    path = await connection.scalar(select(Organization.path).where(Organization.id == organization_id))
    if path is None:
        return []
    parts = path.split(".")
    paths = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    rows = await connection.execute(
        select(Organization.path, Organization.id).where(Organization.path.in_(paths))
    )
    by_path = {row.path: row.id for row in rows}
    return [by_path[one] for one in paths if one in by_path]


async def require_referenced(connection: AsyncConnection, configured: Mapping[str, Collection[str]]) -> None:
    """Refuse settings from which an instance is gone that rows still need.

    Args:
        connection: Where to read.
        configured: Names of the instances in the settings, by seam.

    Raises:
        ConfigurationError: Instances are missing; all are named with the table that needs them.
    """
    missing: set[tuple[str, str, str]] = set()
    for seam, column in _INDEXED:
        for name in await _distinct(connection, column):
            if name not in configured.get(seam, ()):
                missing.add((seam, name, column.class_.__tablename__))
    for seam, column, unfinished in _UNFINISHED:
        for name in await connection.scalars(select(column).where(unfinished).distinct()):
            if name not in configured.get(seam, ()):
                missing.add((seam, name, column.class_.__tablename__))
    for row in await connection.execute(select(ProviderBinding.seam, ProviderBinding.instance).distinct()):
        if row.instance not in configured.get(row.seam, ()):
            missing.add((row.seam, row.instance, ProviderBinding.__tablename__))
    if missing:
        lines = [f"{seam} instance {name!r} (table {table})" for seam, name, table in sorted(missing)]
        raise ConfigurationError(
            f"the database refers to instances that the settings don't name: {', '.join(lines)}",
            hint="put them back under [<seam>.instances]; rebinding affects new objects only",
            details={"missing": lines},
        )


async def _distinct(connection: AsyncConnection, column: InstrumentedAttribute[str]) -> list[str]:
    """The distinct values of an indexed column, by one index seek each (never a scan)."""
    found: list[str] = []
    value = await connection.scalar(select(func.min(column)))
    while value is not None:
        found.append(value)
        value = await connection.scalar(select(func.min(column)).where(column > value))
    return found
