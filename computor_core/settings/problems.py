"""What is wrong with the settings: each problem says where it comes from and what to do."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from computor_core.errors import ConfigurationError

Path = tuple[str, ...]
"""Where a setting stands, as keys from the root."""


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One setting that is wrong.

    Attributes:
        source: The file or environment variable it comes from; "" for one that isn't given.
        path: Dotted path (``"server.port"``).
        message: One sentence; never the value, which may be a secret.
        hint: What to do; "" where the message says it all.
    """

    source: str
    path: str
    message: str
    hint: str = ""

    def line(self) -> str:
        """The problem on one line, the hint on a second."""
        where = f"{self.source}: " if self.source else ""
        text = f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text

    def facts(self) -> dict[str, object]:
        """The problem for a program."""
        return {"source": self.source, "path": self.path, "message": self.message, "hint": self.hint}


class Problems:
    """Collects problems; the paths tell the sources.

    Args:
        source_of: Says where the value at a path comes from.
    """

    def __init__(self, source_of: Callable[[Path], str]) -> None:
        self._source_of = source_of
        self.found: list[SettingProblem] = []

    def add(self, path: Path, message: str, hint: str = "") -> None:
        """Note a problem."""
        self.found.append(SettingProblem(self._source_of(path), ".".join(path), message, hint))

    def add_validation(self, error: ValidationError, model: type[BaseModel], base: Path) -> None:
        """Note what pydantic says, unknown keys with the name that was perhaps meant.

        Args:
            error: What validating ``model`` raised.
            model: The model of the section.
            base: Where the section stands.
        """
        told: dict[Path, list[str]] = {}
        hints: dict[Path, str] = {}
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            inside = keys_of(model, item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                message = "there is no such setting"
                hints[inside] = did_you_mean(inside[-1], fields_at(model, inside[:-1]))
            elif item["type"] == "missing":
                message = "this setting is needed and isn't given"
            told.setdefault(inside, []).append(message)  # a union says one message per alternative
        for inside, messages in told.items():
            self.add((*base, *inside), ", or: ".join(messages), hints.get(inside, ""))


def configuration_error(problems: Sequence[SettingProblem]) -> ConfigurationError:
    """One error that lists every problem."""
    lines = "\n".join(f"  {problem.line()}" for problem in problems)
    count = "1 setting is wrong" if len(problems) == 1 else f"{len(problems)} settings are wrong"
    return ConfigurationError(
        f"{count}:\n{lines}",
        hint="`computor config template` prints every setting with its meaning",
        details={"problems": [problem.facts() for problem in problems]},
    )


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A hint with the nearest known name, else with all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(sorted(known))}" if known else ""


def keys_of(model: type[BaseModel], location: Sequence[str | int]) -> Path:
    """The keys in a location of pydantic, without the names of a union's alternatives."""
    keys: list[str] = []
    current: object = model
    for part in location:
        inner = _model_in(current)
        if isinstance(part, int) or typing.get_origin(current) is dict:
            arguments = typing.get_args(current)
            current = arguments[-1] if arguments else None
        elif inner is not None:
            current = inner.model_fields[part].annotation if part in inner.model_fields else None
        else:
            continue
        if part != "[key]":
            keys.append(str(part))
    return tuple(keys)


def fields_at(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """Names of the settings that a section knows, following ``path`` from ``model``."""
    current: object = model
    for name in path:
        inner = _model_in(current)
        if inner is not None and name in inner.model_fields:
            current = inner.model_fields[name].annotation
        elif typing.get_origin(current) is dict:
            current = typing.get_args(current)[1]
        else:
            return ()
    inner = _model_in(current)
    return tuple(inner.model_fields) if inner is not None else ()


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        for part in typing.get_args(annotation):
            found = _model_in(part)
            if found is not None:
                return found
    return None
