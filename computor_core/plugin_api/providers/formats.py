"""Example formats: how exercises come in from a directory.

A format reads; it never writes, runs or follows links out of the directory. What it makes of a
directory is a :class:`LoadedExample`: files by role, so that *who may see what* is decided once, at
load, by an allow-list, and never again by file name.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from computor_core.assessment.model import TestSpec


class FileRole(StrEnum):
    """What a file of an example is for, and with that who sees it.

    Students get ``statement``, ``media``, ``template`` and ``additional``; ``reference``, ``test`` and
    ``definition`` (the example's own metadata) are for teachers and for test phases.
    """

    STATEMENT = "statement"
    MEDIA = "media"
    TEMPLATE = "template"
    ADDITIONAL = "additional"
    REFERENCE = "reference"
    TEST = "test"
    DEFINITION = "definition"


STUDENT_ROLES = frozenset({FileRole.STATEMENT, FileRole.MEDIA, FileRole.TEMPLATE, FileRole.ADDITIONAL})
"""The allow-list: the roles of the files that enter a student's repository."""


class Severity(StrEnum):
    """How bad a diagnostic is; an ``error`` keeps the example from being imported."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something that a format has to say about an example.

    Attributes:
        severity: How bad it is.
        code: Stable name (``"unknown_test_type"``).
        message: One sentence for a person.
        file: Path below the example's directory.
        line: Line number from 1, or None.
    """

    severity: Severity
    code: str
    message: str
    file: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.severity.value}: {self.message} [{self.code}]"


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """One file of an example.

    Attributes:
        role: What it is for.
        path: Where it goes, below the root that its role implies (a student's directory for the
            student roles); POSIX, relative, without ``.`` and ``..``.
        source: Where it is read from; None for a file that is born empty.
    """

    role: FileRole
    path: str
    source: Path | None


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another example that this one needs, with a semantic-version constraint ("" for the newest)."""

    identifier: str
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class LoadedExample:
    """An example as a format read it.

    Attributes:
        identifier: Dotted path, unique in its library.
        version: Semantic version, normalised to three numbers.
        title: For people, in the example's own language.
        language: Natural language of the statement ("en").
        license: SPDX identifier or text, "" when the example names none.
        files: Every file that is taken, with its role; no two of a role share a path.
        spec: What is tested.
        dependencies: Other examples.
        diagnostics: What was left or looked odd; never an error.
        properties: Further metadata of the format, JSON values.
    """

    identifier: str
    version: str
    title: str
    language: str
    license: str
    files: tuple[ExampleFile, ...]
    spec: TestSpec
    dependencies: tuple[Dependency, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    properties: Mapping[str, object] = field(default_factory=dict)

    def of_role(self, *roles: FileRole) -> tuple[ExampleFile, ...]:
        """The files that have one of the roles, in order of their path."""
        return tuple(file for file in self.files if file.role in roles)

    def for_students(self) -> tuple[ExampleFile, ...]:
        """The files that enter a student's repository, by the allow-list."""
        return tuple(file for file in self.files if file.role in STUDENT_ROLES)


def __getattr__(name: str) -> object:
    """Load the model of specifications when a format first needs it; it brings pydantic."""
    if name == "TestSpec":
        return importlib.import_module("computor_core.assessment.model").TestSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class ExampleFormat:
    """Contract of an example format; methods are synchronous, services call them in a thread."""

    name: ClassVar[str] = ""

    def detect(self, directory: Path) -> bool:
        """Whether the directory looks like an example of this format; reads as little as it can."""
        raise NotImplementedError

    def load(self, directory: Path) -> LoadedExample:
        """Read an example.

        Raises:
            InvalidError: It can't be taken; ``fields`` lists every problem at once, ``path`` as
                ``"file:line"``.
        """
        raise NotImplementedError
