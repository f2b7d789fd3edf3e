"""The tree of a course's contents: paths, positions and moves that never leave the course."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sqlalchemy import exists, func, literal, select, update

from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.entities.behaviors.positions import between
from computor_core.entities.json_values import refuse
from computor_core.errors import ConflictError, FieldProblem, NotFoundError
from computor_core.model import Course, CourseContent, CourseContentKind, SubmissionGroup

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

    from computor_core.db.unit_of_work import UnitOfWork

MAX_PATH = 512
"""Most characters of a path, as the column has it."""

_TABLE = cast("Table", CourseContent.__table__)


def subtree(course_id: UUID, path: str) -> ColumnElement[bool]:
    """The rows below a path, in this course alone."""
    return (_TABLE.c.course_id == course_id) & (_TABLE.c.path > f"{path}.") & (_TABLE.c.path < f"{path}/")


class ContentTree(PlainBehavior):
    """Derives ``path``, ``parent_key`` and ``position``; moves and removes whole subtrees."""

    inputs = frozenset({"parent_id", "slug"})

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Place a new node.

        Raises:
            NotFoundError: The parent isn't a node of this course.
            InvalidError: The parent can't have children, or the path gets too long.
        """
        await self._lock(work, values["course_id"])
        parent = await self._parent_key(work, values["course_id"], values.pop("parent_id"))
        values["parent_key"] = parent
        values["path"] = _path(parent, values.pop("slug"))
        if values.get("position") is None:
            values["position"] = await self._last_position(work, values["course_id"], parent)

    async def before_update(self, work: UnitOfWork, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Work out a node's new place.

        Raises:
            NotFoundError: The new parent isn't a node of this course.
            InvalidError: It can't have children, lies inside the moved subtree, or the kind changes.
            ConflictError: The path is taken.
        """
        course_id, old = row["course_id"], row["path"]
        moves = "parent_id" in values or "slug" in values
        if moves:
            await self._lock(work, course_id)
        parent = row["parent_key"]
        if "parent_id" in values:
            parent = await self._parent_key(work, course_id, values.pop("parent_id"))
        path = _path(parent, values.pop("slug", old.rpartition(".")[2]))
        if values.get("kind_id", row["kind_id"]) != row["kind_id"]:
            raise refuse("content_type_id", "other_kind", "a node keeps its kind")
        if not moves or path == old:
            return
        if parent == old or parent.startswith(f"{old}."):
            raise refuse("parent_id", "inside_itself", "a node can't move into its own subtree")
        await self._require_free(work, course_id, old, path)
        values["path"] = path
        if parent != row["parent_key"]:
            values["parent_key"] = parent
            values.setdefault("position", await self._last_position(work, course_id, parent))

    async def after_update(self, work: UnitOfWork, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Move the subtree along."""
        new, old = values.get("path"), row["path"]
        if new is None:
            return
        rest = func.substr(_TABLE.c.path, len(old) + 1)
        parent_rest = func.substr(_TABLE.c.parent_key, len(old) + 1)
        await work.connection.execute(
            update(_TABLE)
            .where(subtree(row["course_id"], old))
            .values(
                path=literal(new) + rest,
                parent_key=literal(new) + parent_rest,
                version=_TABLE.c.version + 1,
                updated_at=work.now,
                updated_by=work.principal.user_id,
            )
        )

    async def before_delete(self, work: UnitOfWork, row: Mapping[str, Any]) -> None:
        """Refuse to delete what has children or submissions.

        Raises:
            ConflictError: There is something in the way.
        """
        await self._lock(work, row["course_id"])
        children = await work.connection.scalar(
            select(exists().where(subtree(row["course_id"], row["path"])))
        )
        if children:
            raise ConflictError("the unit isn't empty", hint="delete or move what it contains first")
        group = SubmissionGroup.__table__
        submitted = await work.connection.scalar(
            select(exists().where(group.c.course_content_id == row["id"]))
        )
        if submitted:
            raise ConflictError("students have worked on the assignment", hint="archive it instead")

    async def _lock(self, work: UnitOfWork, course_id: UUID) -> None:
        """Let one change of a course's tree at a time through, so that no child misses a move."""
        await work.connection.execute(
            select(Course.id).where(Course.id == course_id).with_for_update(key_share=True)
        )

    async def _parent_key(self, work: UnitOfWork, course_id: UUID, parent_id: UUID | None) -> str:
        if parent_id is None:
            return ""
        kind = CourseContentKind.__table__
        found = (
            select(_TABLE.c.path, kind.c.has_children)
            .join_from(_TABLE, kind, kind.c.id == _TABLE.c.kind_id)
            # The course is part of the question, so a node of another one isn't there at all.
            .where(_TABLE.c.id == parent_id, _TABLE.c.course_id == course_id)
        )
        row = (await work.connection.execute(found)).one_or_none()
        if row is None:
            raise NotFoundError(
                "the parent isn't a unit of this course",
                fields=[FieldProblem("parent_id", "not_found", "there is no such unit in the course")],
            )
        if not row.has_children:
            raise refuse("parent_id", "no_unit", "only units have something in them")
        return str(row.path)

    async def _last_position(self, work: UnitOfWork, course_id: UUID, parent: str) -> str:
        last = await work.connection.scalar(
            select(func.max(_TABLE.c.position)).where(
                _TABLE.c.course_id == course_id, _TABLE.c.parent_key == parent
            )
        )
        return between(last or "", None)

    async def _require_free(self, work: UnitOfWork, course_id: UUID, old: str, path: str) -> None:
        """Say that a path is taken before the move, which would break the rule row by row."""
        taken = await work.connection.scalar(
            select(
                exists().where(
                    _TABLE.c.course_id == course_id,
                    _TABLE.c.path != old,
                    _TABLE.c.path == path,
                )
            )
        )
        if taken:
            raise ConflictError(
                "there is a node at this place already",
                fields=[FieldProblem("slug", "not_unique", "taken already")],
            )
        longest = await work.connection.scalar(
            select(func.max(func.length(_TABLE.c.path))).where(subtree(course_id, old))
        )
        if longest is not None and longest - len(old) + len(path) > MAX_PATH:
            raise refuse("slug", "too_long", f"a path in the subtree would exceed {MAX_PATH} characters")


def _path(parent: str, slug: str) -> str:
    path = f"{parent}.{slug}" if parent else slug
    if len(path) > MAX_PATH:
        raise refuse("slug", "too_long", f"the path would exceed {MAX_PATH} characters")
    return path
