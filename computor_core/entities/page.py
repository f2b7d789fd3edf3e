"""What a list returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows.

    Attributes:
        data: The rows as JSON values.
        limit: Most rows that the page could have.
        next_cursor: Continues after the last row; None on the last page.
        total: Number of all matching rows, where asked for.
    """

    data: list[dict[str, Any]]
    limit: int
    next_cursor: str | None
    total: int | None = None

    def envelope(self) -> dict[str, Any]:
        """The API's form: ``{"data": […], "meta": {"limit", "next_cursor", "total"?}}``."""
        meta: dict[str, Any] = {"limit": self.limit, "next_cursor": self.next_cursor}
        if self.total is not None:
            meta["total"] = self.total
        return {"data": self.data, "meta": meta}
