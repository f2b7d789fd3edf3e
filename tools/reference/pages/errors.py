"""The page of errors."""

from __future__ import annotations

from computor_core.errors import ComputorError, error_catalogue
from tools.reference.docstrings import docstring_of
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, page, prose, table

FILE = "errors.md"
TITLE = "Errors"
SUMMARY = "Every error code with its number, HTTP status and exit status."


def render(inventory: Inventory) -> str:
    """The page; the inventory has imported every module, so that every class is known."""
    intro = (
        "An HTTP error is `application/problem+json` (RFC 9457) with `code` and `internal_code`, whose "
        "first three digits are the HTTP status; field errors and a request id come with it. On the "
        "command line the same error ends with the exit status. Codes don't change once released."
    )
    distributions = {package: member.name for member in inventory.members for package in member.packages}
    rows = [
        [
            code(error.code),
            str(error.internal_code),
            str(error.internal_code // 100),
            str(error.exit_status),
            prose(docstring_of(error).text),
            distributions[error.__module__.partition(".")[0]],
        ]
        for error in sorted(known_errors(inventory), key=lambda error: (error.internal_code, error.code))
    ]
    return page(TITLE, intro, table(["Code", "Number", "HTTP", "Exit", "Meaning", "Distribution"], rows))


def known_errors(inventory: Inventory) -> list[type[ComputorError]]:
    """The error classes of the workspace's own distributions."""
    errors: list[type[ComputorError]] = [ComputorError, *error_catalogue().values()]
    return [error for error in errors if error.__module__ in inventory.modules]
