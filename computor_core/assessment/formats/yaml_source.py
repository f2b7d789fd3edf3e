"""YAML with line numbers, for files that people write and that may be hostile.

Values come from the safe schema alone, with four tags of our own for what YAML lacks: ``!tuple``,
``!set``, ``!bytes`` (hexadecimal) and ``!complex``. Refused are aliases (an alias of an alias of … expands
without end), duplicate keys, and files that are too big or too deeply nested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 100_000

KeyPath = tuple[str | int, ...]


class SourceError(Exception):
    """A file can't be read as YAML.

    Args:
        message: Why.
        line: Where, from 1.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(slots=True)
class Source:
    """A file's content and where each part of it stands.

    Attributes:
        data: The content as Python values.
        lines: Line number by the path of keys and indices that leads to a value.
    """

    data: object
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """Line of a value, or of the nearest one around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path)


class _Loader(yaml.SafeLoader):
    """The safe loader with our tags."""


def _sequence(loader: Any, node: yaml.Node) -> list[object]:  # noqa: ANN401 - the stubs leave it open
    if not isinstance(node, yaml.SequenceNode):
        raise SourceError(f"{node.tag} takes a list", node.start_mark.line + 1)
    return list(loader.construct_sequence(node, deep=True))


def _text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise SourceError(f"{node.tag} takes a text", node.start_mark.line + 1)
    return str(node.value)


_Loader.add_constructor("!tuple", lambda loader, node: tuple(_sequence(loader, node)))
_Loader.add_constructor("!set", lambda loader, node: set(_sequence(loader, node)))
_Loader.add_constructor("!bytes", lambda _loader, node: bytes.fromhex(_text(node)))
_Loader.add_constructor("!complex", lambda _loader, node: complex(_text(node).replace(" ", "")))


class _NoAliases(_Loader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise SourceError("aliases aren't allowed", event.start_mark.line + 1)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Source:
    """Read a file.

    Raises:
        SourceError: It isn't there, is too big, or isn't YAML as described above.
    """
    if path.is_symlink() or not path.is_file():
        raise SourceError("the file is missing or a link")
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"the file has more than {MAX_BYTES} bytes")
    loader: _NoAliases | None = None
    try:
        loader = _NoAliases(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        source = Source(None)
        if node is not None:
            _walk(node, (), source.lines, [MAX_NODES])
            source.data = loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise SourceError("the file isn't UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SourceError(str(error.problem), mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SourceError(f"not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    return source


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], left: list[int]) -> None:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    left[0] -= 1
    if len(path) > MAX_DEPTH or left[0] < 0:
        raise SourceError("the file is too big or too deeply nested", line)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, left)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise SourceError(f"the key {name!r} is there twice", key.start_mark.line + 1)
            seen.add(name)
            lines[(*path, name)] = key.start_mark.line + 1
            _walk(value, (*path, name), lines, left)
