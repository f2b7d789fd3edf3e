"""What the DTO classes of an entity say about its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from computor_core.interfaces import EntityInterface, ListQuery, Requires
from computor_core.interfaces.base import Filter

if TYPE_CHECKING:
    from pydantic import BaseModel

Marker = TypeVar("Marker")


def marker_of(model: type[BaseModel], field: str, kind: type[Marker]) -> Marker | None:
    """The marker of a kind on a field's annotation, or None."""
    return next((item for item in model.model_fields[field].metadata if isinstance(item, kind)), None)


def required_actions(model: type[BaseModel] | None) -> dict[str, str]:
    """The fields that need an action of their own, with that action."""
    if model is None:
        return {}
    marked = {field: marker_of(model, field, Requires) for field in model.model_fields}
    return {field: marker.action for field, marker in marked.items() if marker is not None}


@dataclass(frozen=True, slots=True)
class FilterField:
    """A filter of a list.

    Attributes:
        name: Field of the query DTO.
        column: The column that it looks at.
        marker: How it compares.
    """

    name: str
    column: str
    marker: Filter


def filter_fields(query: type[ListQuery]) -> dict[str, FilterField]:
    """The filters of a query DTO, by field name."""
    found: dict[str, FilterField] = {}
    for name in query.model_fields:
        marker = marker_of(query, name, Filter)
        if marker is not None:
            found[name] = FilterField(name, marker.column or name, marker)
    return found


def readable_actions(interface: type[EntityInterface]) -> dict[str, str]:
    """The columns whose value needs an action of its own, over the get and list DTOs."""
    return required_actions(interface.list) | required_actions(interface.get)
