"""How a route says who is let in; a route that says nothing stops the host's start."""

from __future__ import annotations

from typing import Any

from computor_core.plugin_api.http import ACTION_KEY

__all__ = ["ACCESS_KEY", "OWN", "PUBLIC", "declared_access"]

ACCESS_KEY = "x-access"
"""Key of a route's OpenAPI extension for access that isn't an action."""

PUBLIC: dict[str, Any] = {ACCESS_KEY: "public"}
"""For ``openapi_extra``: anybody may call the route."""

OWN: dict[str, Any] = {ACCESS_KEY: "own"}
"""For ``openapi_extra``: a signed-in caller, about nobody but themselves."""


def declared_access(extra: dict[str, Any] | None) -> str | None:
    """What a route declares: the action it needs, ``"public"``, ``"own"``, or None for nothing."""
    if not extra:
        return None
    declared = extra.get(ACTION_KEY) or extra.get(ACCESS_KEY)
    return declared if isinstance(declared, str) else None
