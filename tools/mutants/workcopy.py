"""A copy of the tree, so that nothing is ever changed in place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEFT_OUT = shutil.ignore_patterns(
    ".*cache*",
    ".git",
    ".hypothesis",
    ".venv",
    "__pycache__",
    "build",
    "demo-data",
    "dist",
    "htmlcov",
    "mutants-*",
    "node_modules",
    "var",
)


@contextmanager
def work_copy(root: Path) -> Iterator[Path]:
    """Copy the tree without version control, environments and caches; the copy goes afterwards.

    Args:
        root: Root of the tree.

    Yields:
        Root of the copy.
    """
    with tempfile.TemporaryDirectory(prefix="computor-mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=_LEFT_OUT, symlinks=True)
        shutil.rmtree(copy / "mutants", ignore_errors=True)  # what a run of mutmut by hand left
        yield copy
