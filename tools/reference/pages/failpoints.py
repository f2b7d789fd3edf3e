"""The page of failpoints."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from tools.reference.docstrings import docstring_of
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, page, prose, table

FILE = "failpoints.md"
TITLE = "Failpoints"
SUMMARY = "Named places at which a test can kill the process."


@dataclass(frozen=True, slots=True, order=True)
class Failpoint:
    """A call of ``failpoint``.

    Attributes:
        name: Its name; parts that are computed stand in braces.
        place: The function that contains it, with its module.
        what: What that function does, or the nearest around it that says so.
    """

    name: str
    place: str
    what: str


def render(inventory: Inventory) -> str:
    """The page."""
    intro = prose(docstring_of(inventory.modules["computor_core.failpoints"]).text)
    rows = [[code(item.name), code(item.place), prose(item.what)] for item in sorted(set(known(inventory)))]
    return page(TITLE, intro, table(["Name", "Where", "In what"], rows))


def known(inventory: Inventory) -> Iterator[Failpoint]:
    """Every call of ``failpoint`` in the workspace's modules."""
    for name, module in inventory.modules.items():
        tree = ast.parse(inspect.getsource(module))
        yield from _calls(tree, name, "")


def _calls(node: ast.AST, place: str, what: str) -> Iterator[Failpoint]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            summary = (ast.get_docstring(child) or "").partition("\n")[0]
            yield from _calls(child, f"{place}.{child.name}", summary or what)
            continue
        if isinstance(child, ast.Call) and _called(child.func) == "failpoint" and child.args:
            yield Failpoint(_text(child.args[0]), place, what)
        yield from _calls(child, place, what)


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _text(argument: ast.expr) -> str:
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if isinstance(argument, ast.JoinedStr):
        return "".join(
            f"{{{ast.unparse(part.value)}}}"
            if isinstance(part, ast.FormattedValue)
            else ast.literal_eval(part)
            for part in argument.values
        )
    return f"{{{ast.unparse(argument)}}}"
