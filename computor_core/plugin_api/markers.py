"""pluggy's markers for Computor's hooks."""

from __future__ import annotations

import pluggy

PROJECT = "computor"

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a hook specification (core's alone)."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's implementation of a hook."""
