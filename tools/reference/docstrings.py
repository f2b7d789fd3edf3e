"""Reads docstrings in Google style, and the strings that document attributes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, field

_SECTION = re.compile(r"(?P<name>[A-Z][a-z]+):(?: (?P<inline>.+))?")
_ENTRY = re.compile(r"(?P<names>[\w.*]+(?:, [\w.*]+)*): ?(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring in its parts.

    Attributes:
        summary: The first line.
        body: What follows it up to the first section, paragraphs separated by empty lines.
        sections: Text of each section, dedented, by name (``"Returns"``).
    """

    summary: str = ""
    body: str = ""
    sections: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Summary and body."""
        return f"{self.summary}\n\n{self.body}".strip()

    def entries(self, section: str) -> dict[str, str]:
        """The entries ``name: text`` of a section; names that share an entry share its text."""
        found: dict[str, str] = {}
        names: list[str] = []
        for line in self.sections.get(section, "").splitlines():
            match = None if line.startswith(" ") else _ENTRY.fullmatch(line)
            if match:
                names = match["names"].split(", ")
                found.update(dict.fromkeys(names, match["text"]))
            else:
                found.update({name: f"{found[name]} {line.strip()}".strip() for name in names})
        return found


def parse(text: str | None) -> Docstring:
    """Take a docstring apart; a section is a capitalised word with a colon at the left margin."""
    if not text:
        return Docstring()
    summary, _, rest = inspect.cleandoc(text).partition("\n")
    body: list[str] = []
    sections: dict[str, list[str]] = {}
    current = body
    for line in rest.splitlines():
        match = _SECTION.fullmatch(line)
        if match:
            current = sections.setdefault(match["name"], [])
            current.extend([match["inline"]] if match["inline"] else [])
        elif current is not body and line and not line.startswith(" "):
            current = body  # a paragraph after a section belongs to the body
            current.append(line)
        else:
            current.append(line)
    texts = {name: textwrap.dedent("\n".join(lines)).strip() for name, lines in sections.items()}
    return Docstring(summary, "\n".join(body).strip(), texts)


def docstring_of(thing: object) -> Docstring:
    """The docstring that a class, function or module itself has, none that it inherits."""
    own = getattr(thing, "__dict__", {}).get("__doc__") if isinstance(thing, type) else thing.__doc__
    return parse(own)


def attribute_texts(cls: type) -> dict[str, str]:
    """What a class says of its attributes: its ``Attributes:`` and the strings below assignments."""
    return {**docstring_of(cls).entries("Attributes"), **_strings_below(cls)}


def _strings_below(cls: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    found: dict[str, str] = {}
    names: list[str] = []
    for statement in definition.body if isinstance(definition, ast.ClassDef) else []:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            text = statement.value.value
            if isinstance(text, str):
                found.update(dict.fromkeys(names, " ".join(text.split())))
        names = assigned_names(statement)
    return found


def assigned_names(statement: ast.stmt) -> list[str]:
    """The public names that a statement assigns to."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]
