"""How our column types are written in generated migrations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sqlalchemy import JSON, String

from computor_core.db.types import CreditType, PathType, PointsType, ScaledDecimal, UtcDateTime

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

_PATH_LENGTH = PathType.length if isinstance(PathType, String) else None
_SCALES = {PointsType.digits: "PointsType", CreditType.digits: "CreditType"}


def rendering_for(owner: str) -> Callable[[str, object, AutogenContext], str | Literal[False]]:
    """Alembic's ``render_item`` for a lineage.

    Args:
        owner: The lineage's owner: core's migrations import the types from core, a plugin's from
            the public surface.
    """
    source = "from computor_core.db import types"
    if owner != "core":
        source = "from computor_core.plugin_api import db as types"

    def render_item(kind: str, item: object, autogenerate: AutogenContext) -> str | Literal[False]:
        name = _name(item) if kind == "type" else None
        if name is None:
            return False  # alembic knows how
        autogenerate.imports.add(source)
        return f"types.{name}"

    return render_item


def _name(item: object) -> str | None:
    if isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if isinstance(item, ScaledDecimal):
        return _SCALES[item.digits]
    if isinstance(item, JSON):
        return "JsonType"
    if isinstance(item, String) and item._variant_mapping:  # texts with a collation, path_type's alone
        return "PathType" if item.length == _PATH_LENGTH else f"path_type({item.length})"
    return None
