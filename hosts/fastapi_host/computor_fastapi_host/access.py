"""How a route says who is let in; a route that says nothing stops the host's start."""

from __future__ import annotations

from typing import Any

from computor_core.plugin_api.http import ACCESS_KEY, ACTION_KEY, OWN, PUBLIC

__all__ = ["ACCESS_KEY", "OWN", "PUBLIC", "declared_access"]


def declared_access(extra: dict[str, Any] | None) -> str | None:
    """What a route declares: the action it needs, ``"public"``, ``"own"``, or None for nothing."""
    if not extra:
        return None
    declared = extra.get(ACTION_KEY) or extra.get(ACCESS_KEY)
    return declared if isinstance(declared, str) else None
