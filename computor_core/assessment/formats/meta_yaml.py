"""``meta.yaml`` in both forms that the original system wrote: with ``slug`` and with ``identifier``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from computor_core.assessment.model import PlainPath, SpecLimits
from computor_core.plugin_api.providers.formats import Dependency

_VERSION = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?$")
_MEBIBYTE = 1024 * 1024


def normalise_version(text: str) -> str:
    """A version with three numbers: ``"1"`` → ``"1.0.0"``.

    Raises:
        ValueError: It isn't one to three numbers with dots.
    """
    match = _VERSION.match(text.strip())
    if match is None:
        raise ValueError("a version is one to three numbers with dots")
    return ".".join(str(int(part or 0)) for part in match.groups())


Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, (int, float)) else value)]


class _Read(BaseModel):
    """What we don't know is left, and said so by the format."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _DependencyEntry(_Read):
    slug: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    version: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"slug": value} if isinstance(value, str) else value


class BackendSettings(_Read):
    """``executionBackend.settings`` of the newer form."""

    timeout: float | None = Field(default=None, gt=0)
    compile_timeout: float | None = Field(default=None, gt=0, alias="compileTimeout")
    memory_limit_mb: int | None = Field(default=None, gt=0, alias="memoryLimitMB")
    max_processes: int | None = Field(default=None, gt=0, alias="maxProcesses")

    def limits(self) -> SpecLimits:
        """As limits of a phase; the time limit holds for both kinds of time."""
        return SpecLimits(
            wall_seconds=self.timeout,
            cpu_seconds=self.timeout,
            memory_bytes=self.memory_limit_mb * _MEBIBYTE if self.memory_limit_mb else None,
            processes=self.max_processes,
        )

    def compile_limits(self) -> SpecLimits:
        """As limits of compiling."""
        return SpecLimits(wall_seconds=self.compile_timeout, cpu_seconds=self.compile_timeout)


class ExecutionBackend(_Read):
    """Which service tested it in the original; its slug tells the language."""

    slug: str
    settings: BackendSettings = BackendSettings()


class Properties(_Read):
    """``properties``: which file plays which part."""

    submission_files: tuple[PlainPath, ...] = Field(default=(), alias="studentSubmissionFiles")
    additional_files: tuple[PlainPath, ...] = Field(default=(), alias="additionalFiles")
    test_files: tuple[PlainPath, ...] = Field(default=(), alias="testFiles")
    student_templates: tuple[PlainPath, ...] = Field(default=(), alias="studentTemplates")
    test_dependencies: tuple[_DependencyEntry, ...] = Field(default=(), alias="testDependencies")
    execution_backend: ExecutionBackend | None = Field(default=None, alias="executionBackend")

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """Other examples that this one needs."""
        return tuple(Dependency(entry.slug, entry.version) for entry in self.test_dependencies)


class Meta(_Read):
    """The whole file.

    Attributes:
        identifier: From ``identifier``, or from ``slug`` in the older form.
        version: As written; :func:`normalise_version` makes it comparable.
        title, description, language, license, keywords: As written.
        properties: Which file plays which part.
    """

    identifier: str = Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=255)
    version: Text
    title: str = Field(min_length=1, max_length=255)
    description: str = ""
    language: str = "en"
    license: str = ""
    keywords: tuple[str, ...] = ()
    properties: Properties

    @model_validator(mode="before")
    @classmethod
    def _from_slug(cls, value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
        if isinstance(value, dict) and "identifier" not in value and "slug" in value:
            rest = {key: item for key, item in value.items() if key != "slug"}
            return {**rest, "identifier": value["slug"]}
        return value


KNOWN_KEYS = frozenset(
    [
        "identifier",
        "slug",
        "version",
        "title",
        "description",
        "language",
        "license",
        "keywords",
        "properties",
        "authors",
        "maintainers",
        "links",
        "supportingMaterial",
        "supportingMaterials",
        "courseMaterials",
        "content",
    ]
)
"""The keys of both forms; others are reported as left."""
