"""The import rule of definition modules.

A definition is replayed, also inside another engine's sandbox, so its module and everything
that it imports of our own may reach nothing but declarations, DTOs and harmless parts of the
standard library. The rule is read off the source; nothing is imported to check it.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

__all__ = ["Violation", "check_definition_module"]

_TRUSTED = (
    "computor_core.plugin_api.workflows",
    "computor_core.plugin_api.workflow_contexts",
    "computor_core.plugin_api.workflow_errors",
    "computor_core.interfaces",
    "computor_core.errors",
    "pydantic",
    "annotated_types",
    "typing_extensions",
)
_HARMLESS = frozenset(
    (
        "__future__",
        "abc",
        "base64",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "graphlib",
        "hashlib",
        "heapq",
        "itertools",
        "json",
        "math",
        "numbers",
        "operator",
        "re",
        "string",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "uuid",
        "zoneinfo",
    )
)
_PARSE_ATTEMPTS = 3
_FORBIDDEN_CALLS = {
    "datetime": frozenset({"now", "utcnow", "today", "fromtimestamp"}),
    "date": frozenset({"today", "fromtimestamp"}),
    "uuid": frozenset({"uuid1", "uuid4", "uuid6", "uuid7", "getnode"}),
}
_AWAITED = frozenset({"step", "sleep", "wait_event", "child", "progress", "gather"})
_FORBIDDEN_BUILTINS = frozenset({"open", "input", "print", "exec", "eval", "__import__", "breakpoint"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A place that breaks the rule.

    Attributes:
        module: The module.
        line: Its line.
        message: What is wrong there.
    """

    module: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.message}"


def check_definition_module(name: str) -> list[Violation]:
    """All violations in a definition module and in the modules of our own that it imports.

    Args:
        name: Dotted name of the module.

    Returns:
        The violations, sorted by module and line; empty when the module may be replayed.
    """
    found: list[Violation] = []
    done: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module in done:
            continue
        done.add(module)
        # Importing a module runs the packages above it first.
        waiting += [package for package in _ancestors(module) if _ours(package, name)]
        path = _source(module)
        if path is None:
            found.append(Violation(module, 0, "has no source to check"))
            continue
        tree = _parsed(path, path.stat().st_mtime_ns)
        found += _calls(module, tree)
        found += _unawaited(module, tree)
        for line, imported in _imports(module, tree, is_package=path.name == "__init__.py"):
            if _allowed(imported):
                continue
            if _ours(imported, name):
                waiting.append(imported)
            else:
                found.append(Violation(module, line, f"imports {imported}, which a replay must not reach"))
    return sorted(found, key=lambda item: (item.module, item.line))


@lru_cache(maxsize=256)
def _parsed(path: Path, _changed: int) -> ast.Module:
    source = path.read_text(encoding="utf-8")
    for _ in range(_PARSE_ATTEMPTS):
        try:
            return ast.parse(source, str(path))
        except SystemError:
            # Before 3.11.9 and 3.12.3 two threads that parse at once may get this (CPython gh-106905).
            continue
    return ast.parse(source, str(path))


def _allowed(module: str) -> bool:
    return module.partition(".")[0] in _HARMLESS or any(
        module == trusted or module.startswith(f"{trusted}.") for trusted in _TRUSTED
    )


def _ours(imported: str, definition: str) -> bool:
    """Whether a module belongs to the definition's own package, and so is checked itself.

    Within core the definition's own subpackage counts, since core as a whole reaches everything.
    """
    package = definition.rpartition(".")[0] or definition
    if not definition.startswith("computor_core."):
        package = definition.partition(".")[0]
    return imported in {package, definition} or imported.startswith(f"{package}.")


def _ancestors(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _source(module: str) -> Path | None:
    spec = _found(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _found(module: str) -> ModuleSpec | None:
    """Where a module is; unlike ``importlib.util.find_spec`` it imports no package on the way."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:
        return None
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def _imports(module: str, tree: ast.Module, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Every imported module, wherever the statement stands; blocks for type checkers are left out."""
    for node in _run_time_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node, is_package=is_package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if _is_module(base, inner) else base


def _absolute(module: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    package = module if is_package else module.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def _is_module(base: str, inner: str) -> bool:
    return not _allowed(base) and _found(inner) is not None


def _run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield other
                yield from _run_time_nodes(other)
            continue
        yield node
        yield from _run_time_nodes(node)


def _calls(module: str, tree: ast.Module) -> Iterator[Violation]:
    origin = _bound_names(tree)
    for node in _run_time_nodes(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            kind = origin.get(name, name)
            if node.attr in _FORBIDDEN_CALLS.get(kind, ()):
                yield Violation(module, node.lineno, f"uses {kind}.{node.attr}; ask the context instead")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if origin.get(node.id, "") in _FORBIDDEN_CALLS["uuid"]:
                yield Violation(module, node.lineno, f"uses {origin[node.id]}; ask the context instead")
            elif node.id in _FORBIDDEN_BUILTINS and node.id not in origin:
                yield Violation(module, node.lineno, f"uses {node.id}, which a replay must not do")


def _unawaited(module: str, tree: ast.Module) -> Iterator[Violation]:
    """Calls of the context whose result nobody takes: they would never be carried out."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        contexts = {
            argument.arg
            for position, argument in enumerate(function.args.posonlyargs + function.args.args)
            if (isinstance(function, ast.AsyncFunctionDef) and position == 0)
            or (argument.annotation is not None and "WorkflowContext" in ast.unparse(argument.annotation))
        }
        for node in ast.walk(function):
            match node:
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=method))):
                    if owner in contexts and method in _AWAITED:
                        yield Violation(module, node.lineno, f"calls {owner}.{method} without awaiting it")


def _bound_names(tree: ast.Module) -> dict[str, str]:
    """The name something was imported under, and what it is called where it comes from."""
    names: dict[str, str] = {}
    for node in _run_time_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = alias.name
    return names
