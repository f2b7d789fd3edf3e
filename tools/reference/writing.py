"""Writes the pages, or says how the committed ones differ."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path


def write(pages: Mapping[str, str], folder: Path) -> list[str]:
    """Write the pages and remove files that are none of them.

    Returns:
        Names of the files that were changed, removed ones included, sorted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in pages.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(name)
    for file in folder.glob("*.md"):
        if file.name not in pages:
            file.unlink()
            changed.append(file.name)
    return sorted(changed)


def differences(pages: Mapping[str, str], folder: Path) -> str:
    """A diff from the files in a folder to the pages; "" when they are the same."""
    names = sorted({*pages, *(file.name for file in folder.glob("*.md"))})
    return "".join(_difference(name, folder / name, pages.get(name, "")) for name in names)


def _difference(name: str, file: Path, text: str) -> str:
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        text.splitlines(keepends=True),
        f"committed/{name}",
        f"generated/{name}",
    )
    return "".join(lines)
