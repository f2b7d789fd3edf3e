"""The one place that imports ``importlib_metadata``.

The backport is preferred to the standard library's module so that all supported Python versions
normalise names, select entry points and report missing metadata in the same way.
"""

from __future__ import annotations

from importlib_metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points, version

__all__ = ["Distribution", "EntryPoint", "PackageNotFoundError", "entry_points", "version"]
