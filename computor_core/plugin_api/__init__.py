"""The import surface for plugin authors.

``__all__`` is the contract: names here change only with a fragment in ``changes/plugin_api/``.
Names load on first use, so that importing the package costs neither pydantic nor an SDK.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

_EXPORTS: dict[str, str] = {
    "hookimpl": "markers",
    "hookspec": "markers",
    "PluginMeta": "meta",
    "Stability": "meta",
}

if TYPE_CHECKING:
    from computor_core.plugin_api.markers import hookimpl, hookspec
    from computor_core.plugin_api.meta import PluginMeta, Stability

__all__ = ["PluginMeta", "Stability", "hookimpl", "hookspec"]


def __getattr__(name: str) -> object:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
