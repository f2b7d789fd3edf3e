"""The first page."""

from __future__ import annotations

from collections.abc import Sequence

from tools.reference.markdown import page, prose, table

FILE = "index.md"
TITLE = "Reference"


def render(pages: Sequence[tuple[str, str, str]]) -> str:
    """The page.

    Args:
        pages: File, title and summary of the others, in their order.
    """
    intro = (
        "Generated from the code by `python -m tools.reference`; a test fails when it is out of date. "
        "It covers core and the plugins of this repository."
    )
    rows = [[f"[{title}]({file})", prose(summary)] for file, title, summary in pages]
    return page(TITLE, intro, table(["Page", "What is there"], rows))
