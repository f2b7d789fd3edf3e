"""Routes written by hand, for what isn't one row of one entity.

Each module has a ``router`` whose routes name the action they need
(``openapi_extra=needs("…")``). The list below says which routers there are and how callers are
let in; whoever adds a module adds a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from computor_core.plugin_api.http import APIRouter

__all__ = ["VIEWS", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """A router under ``/api/v1``.

    Attributes:
        module: The module in this package that has the ``router``.
        access: ``"session"``: a signed-in caller is required before a route runs; ``"public"``:
            the routes let anybody in.
    """

    module: str
    access: str = "session"

    def router(self) -> APIRouter:
        """The module's router."""
        found = import_module(f"{__name__}.{self.module}").router
        if not isinstance(found, APIRouter):
            raise TypeError(f"{self.module} has no router")
        return found


VIEWS: tuple[View, ...] = (
    View("sign_in", access="public"),
    View("sessions"),
    View("me"),
    View("events"),
    View("submitting"),
    View("queue"),
    View("gradebook"),
    View("library"),
)
"""All views, in the order in which the documents show them."""
