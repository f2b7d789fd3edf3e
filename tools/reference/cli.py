"""The command line of ``python -m tools.reference``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.reference.errors import PagesError
from tools.reference.inventory import take_inventory
from tools.reference.pages import render_all
from tools.reference.writing import differences, write

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


def main(arguments: Sequence[str]) -> int:
    """Generate the pages or check the committed ones.

    Returns:
        0; 1 when the committed pages differ or can't be generated; 2 for wrong usage.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tools.reference", description="Generate docs/reference from the code."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff if they differ")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pages are")
    options = parser.parse_args(arguments)
    try:
        pages = render_all(take_inventory(ROOT))
    except PagesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not options.check:
        for name in write(pages, options.folder):
            print(f"wrote {name}")
        return 0
    difference = differences(pages, options.folder)
    if difference:
        sys.stdout.write(difference)
        print("error: the reference is out of date; run `python -m tools.reference`", file=sys.stderr)
    return 1 if difference else 0
