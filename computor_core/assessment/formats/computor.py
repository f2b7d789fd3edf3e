"""The format ``computor``: a directory with ``meta.yaml``, ``test.yaml`` and ``content/``.

What students get is decided by an allow-list and nothing else: the statement (``content/index*.md``,
renamed to ``README*.md``), ``content/mediaFiles/**``, the additional files and the files they are to hand
in, filled from the templates. Anything that no list names is left where it is, and said so.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from pydantic import ValidationError

from computor_core.assessment.formats.meta_yaml import KNOWN_KEYS, Meta, normalise_version
from computor_core.assessment.formats.test_yaml import read_groups
from computor_core.assessment.formats.yaml_source import KeyPath, Source, SourceError, read_yaml
from computor_core.assessment.model import TestSpec
from computor_core.errors import FieldProblem, InvalidError
from computor_core.plugin_api.providers.formats import (
    Diagnostic,
    ExampleFile,
    ExampleFormat,
    FileRole,
    LoadedExample,
    Severity,
)
from computor_core.plugin_api.providers.toolchains import TOOLCHAINS

META, TEST = "meta.yaml", "test.yaml"
MAX_FILES = 2_000
_TOOLCHAIN_BY_SLUG = {"py": "python", "c": "c", "sh": "bash", "bash": "bash", "python": "python"}


class ComputorFormat(ExampleFormat):
    """Reads the original system's example directories."""

    name: ClassVar[str] = "computor"

    def detect(self, directory: Path) -> bool:
        """Whether ``meta.yaml`` and ``test.yaml`` are there."""
        return (directory / META).is_file() and (directory / TEST).is_file()

    def load(self, directory: Path) -> LoadedExample:
        """Read an example.

        Raises:
            InvalidError: It can't be taken; ``fields`` lists every problem at once.
        """
        return _Reading(directory).load()


class _Reading:
    """One reading of one directory, collecting problems as it goes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._diagnostics: list[Diagnostic] = []
        self._taken: set[str] = {META, TEST}

    def load(self) -> LoadedExample:
        present = self._walk()
        meta = self._meta()
        self._stop_on_errors()
        assert meta is not None  # noqa: S101 - else there was an error
        files = self._files(meta, present)
        spec = self._spec(meta, files)
        self._stop_on_errors()
        assert spec is not None  # noqa: S101 - else there was an error
        for path in sorted(present - self._taken):
            self._say(Severity.INFO, "left", "no list names this file; nobody gets it", path)
        return LoadedExample(
            identifier=meta.identifier,
            version=normalise_version(meta.version),
            title=meta.title,
            language=meta.language,
            license=meta.license,
            files=tuple(sorted(files, key=lambda file: (file.role.value, file.path))),
            spec=spec,
            dependencies=meta.properties.dependencies,
            diagnostics=tuple(self._diagnostics),
            properties={"description": meta.description, "keywords": list(meta.keywords)},
        )

    def _say(self, severity: Severity, code: str, message: str, file: str, line: int | None = None) -> None:
        self._diagnostics.append(Diagnostic(severity, code, message, file, line))

    def _error(self, code: str, message: str, file: str, line: int | None = None) -> None:
        self._say(Severity.ERROR, code, message, file, line)

    def _stop_on_errors(self) -> None:
        errors = [found for found in self._diagnostics if found.severity is Severity.ERROR]
        if not errors:
            return
        problems = [
            FieldProblem(
                found.file if found.line is None else f"{found.file}:{found.line}", found.code, found.message
            )
            for found in errors
        ]
        more = f" and {len(errors) - 1} more problems" if len(errors) > 1 else ""
        raise InvalidError(f"{errors[0]}{more}", fields=problems)

    def _walk(self) -> set[str]:
        """Paths of all regular files; a link is a problem, since it may point anywhere."""
        found: set[str] = set()
        waiting = [self._directory]
        while waiting:
            for entry in sorted(waiting.pop().iterdir()):
                path = entry.relative_to(self._directory).as_posix()
                if entry.is_symlink():
                    self._error("link", "links aren't allowed", path)
                elif entry.is_dir():
                    waiting.append(entry)
                elif entry.is_file():
                    found.add(path)
                if len(found) > MAX_FILES:
                    self._error("too_many_files", f"more than {MAX_FILES} files", ".")
                    return found
        return found

    def _read(self, name: str) -> Source | None:
        try:
            return read_yaml(self._directory / name)
        except SourceError as error:
            self._error("unreadable", error.message, name, error.line)
            return None

    def _report_validation(self, error: ValidationError, name: str, source: Source, at: KeyPath = ()) -> None:
        for problem in error.errors(include_url=False, include_context=False):
            path = (*at, *problem["loc"])
            where = ".".join(str(part) for part in problem["loc"])
            message = f"{where}: {problem['msg']}" if where else problem["msg"]
            self._error(problem["type"], message, name, source.line(path))

    def _meta(self) -> Meta | None:
        source = self._read(META)
        if source is None:
            return None
        try:
            meta = Meta.model_validate(source.data)
        except ValidationError as error:
            self._report_validation(error, META, source)
            return None
        try:
            normalise_version(meta.version)
        except ValueError as error:
            self._error("bad_version", str(error), META, source.line(("version",)))
        if isinstance(source.data, dict):
            for key in sorted(set(map(str, source.data)) - KNOWN_KEYS):
                self._say(Severity.WARNING, "unknown_key", f"{key!r} isn't known", META, source.line((key,)))
        if not meta.properties.submission_files:
            self._error(
                "no_submission_files",
                "properties.studentSubmissionFiles is missing: what are students to hand in?",
                META,
                source.line(("properties",)),
            )
        return meta

    def _files(self, meta: Meta, present: set[str]) -> list[ExampleFile]:
        properties = meta.properties
        files = [ExampleFile(FileRole.DEFINITION, name, self._directory / name) for name in (META, TEST)]
        statement = sorted(path for path in present if PurePosixPath(path).match("content/index*.md"))
        for path in statement:
            name = PurePosixPath(path).name.replace("index", "README", 1)
            files.append(self._take(FileRole.STATEMENT, name, path))
        if not statement:
            self._error("no_statement", "content/index.md is missing", "content")
        media = [path for path in sorted(present) if path.startswith("content/mediaFiles/")]
        files += [self._take(FileRole.MEDIA, path.removeprefix("content/"), path) for path in media]
        for role, paths in (
            (FileRole.ADDITIONAL, properties.additional_files),
            (FileRole.TEST, properties.test_files),
        ):
            for path in paths:
                if path in present:
                    # Additional files go to the root of the student's directory, as they always did.
                    name = PurePosixPath(path).name if role is FileRole.ADDITIONAL else path
                    files.append(self._take(role, name, path))
                else:
                    self._error("missing_file", f"{path} is named but missing", META)
        files += self._templates(meta, present)
        files += self._references(meta, present)
        self._check_overlap(files)
        return files

    def _take(self, role: FileRole, name: str, path: str) -> ExampleFile:
        self._taken.add(path)
        return ExampleFile(role, name, self._directory / path)

    def _templates(self, meta: Meta, present: set[str]) -> list[ExampleFile]:
        """A file to hand in for each one demanded: from the template of its name, else empty."""
        templates = {PurePosixPath(path).name: path for path in meta.properties.student_templates}
        files = []
        for name, path in templates.items():
            if path not in present:
                self._error("missing_file", f"the template {path} is missing", META)
            if name not in {PurePosixPath(file).name for file in meta.properties.submission_files}:
                self._error("stray_template", f"the template {path} fits no submission file", META)
        for wanted in meta.properties.submission_files:
            template = templates.get(PurePosixPath(wanted).name)
            if template is not None and template in present:
                files.append(self._take(FileRole.TEMPLATE, wanted, template))
            else:
                files.append(ExampleFile(FileRole.TEMPLATE, wanted, None))
        return files

    def _references(self, meta: Meta, present: set[str]) -> list[ExampleFile]:
        """The reference solution: at the root, or under ``localTests`` as the original has it."""
        folders = ("", "localTests/correctSolution/", "localTests/reference/")
        files = []
        for wanted in meta.properties.submission_files:
            path = next((folder + wanted for folder in folders if folder + wanted in present), None)
            if path is None:
                self._say(
                    Severity.WARNING, "no_reference", f"there is no reference solution of {wanted}", META
                )
            else:
                files.append(self._take(FileRole.REFERENCE, wanted, path))
            if (
                PurePosixPath(wanted).suffix == ".py"
                and PurePosixPath(wanted).stem in sys.stdlib_module_names
            ):
                self._say(
                    Severity.WARNING, "shadows_library", f"{wanted} hides a module of Python's library", META
                )
        return files

    def _check_overlap(self, files: list[ExampleFile]) -> None:
        """No two files of a role share a path, and no hidden file is handed out under another name."""
        seen: dict[tuple[bool, str], ExampleFile] = {}
        student = (FileRole.STATEMENT, FileRole.MEDIA, FileRole.TEMPLATE, FileRole.ADDITIONAL)
        shown = {file.source for file in files if file.role in student}
        for file in files:
            if file.role in student:
                if (True, file.path) in seen:
                    self._error("path_twice", f"two files for students share the path {file.path}", META)
                seen[True, file.path] = file
            elif file.source in shown:
                self._error("shown_and_hidden", f"{file.path} is hidden and handed out at once", META)

    def _spec(self, meta: Meta, files: list[ExampleFile]) -> TestSpec | None:
        source = self._read(TEST)
        if source is None:
            return None

        def report(path: KeyPath, code: str, message: str) -> None:
            self._error(code, message, TEST, source.line(path))

        groups = read_groups(source, meta.properties.submission_files[0], report)
        toolchain = self._toolchain(meta, source)
        backend = meta.properties.execution_backend
        limits = backend.settings.limits().model_dump(exclude_none=True) if backend else {}
        places: dict[tuple[Any, ...], KeyPath] = {
            ("groups", n): group.pop("at") for n, group in enumerate(groups)
        }
        for n, group in enumerate(groups):
            group["limits"] = {**limits, **group["limits"]}
            for m, case in enumerate(group["cases"]):
                places["groups", n, group["kind"], "cases", m] = case.pop("at")
                places["groups", n, "cases", m] = places["groups", n, group["kind"], "cases", m]
        tests = [file.path for file in files if file.role is FileRole.TEST]
        values: dict[str, Any] = {
            "toolchain": toolchain,
            "submission_files": meta.properties.submission_files,
            "additional_files": [file.path for file in files if file.role is FileRole.ADDITIONAL],
            "test_files": tests,
            "groups": groups,
            "compile_limits": backend.settings.compile_limits() if backend else {},
        }
        try:
            spec = TestSpec.model_validate(values)
        except ValidationError as error:
            self._report_spec(error, source, places)
            return None
        for case in spec.unit_tests:
            if case.file not in tests:
                self._error("missing_file", f"{case.test} is in no file of testFiles", TEST)
        self._warn_of_shared_files(spec)
        return spec.model_copy(update={"test_tree": _digest(spec, files)})

    def _warn_of_shared_files(self, spec: TestSpec) -> None:
        """Files without tests are there in every phase: what only hidden tests read isn't hidden in them."""
        if len({case.visibility for case in spec.unit_tests}) < 2:
            return
        with_tests = {case.file for case in spec.unit_tests}
        for path in spec.test_files:
            if path not in with_tests and PurePosixPath(path).name != "conftest.py":
                message = (
                    "submissions can read it during visible tests, too: keep what hidden tests expect out"
                )
                self._say(Severity.WARNING, "shared_test_file", message, path)

    def _report_spec(
        self, error: ValidationError, source: Source, places: dict[tuple[Any, ...], KeyPath]
    ) -> None:
        """Report the model's problems at the lines that they come from."""
        for problem in error.errors(include_url=False, include_context=False):
            loc: tuple[Any, ...] = tuple(problem["loc"])
            cut = next((n for n in range(len(loc), 0, -1) if loc[:n] in places), 0)
            rest = ".".join(str(part) for part in loc[cut:] if part not in places)
            line = source.line(places[loc[:cut]]) if cut else None
            self._error(problem["type"], f"{rest}: {problem['msg']}".removeprefix(": "), TEST, line)

    def _toolchain(self, meta: Meta, source: Source) -> str:
        """From the suite's type, else from the execution backend's slug (``itpcp.exec.py``)."""
        kind = source.data.get("type") if isinstance(source.data, dict) else None
        backend = meta.properties.execution_backend
        slug = backend.slug.rpartition(".")[2] if backend else ""
        name = str(kind or slug)
        toolchain = _TOOLCHAIN_BY_SLUG.get(name, name)
        if toolchain not in TOOLCHAINS:
            known = ", ".join(sorted(TOOLCHAINS))
            message = f"the toolchain {toolchain!r} isn't known ({known} are)"
            self._say(Severity.WARNING, "unknown_toolchain", message, TEST, source.line(("type",)))
        return toolchain


def _digest(spec: TestSpec, files: list[ExampleFile]) -> str:
    """SHA-256 over the specification and every test file, path by path."""
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for file in sorted(files, key=lambda file: file.path):
        if file.role is FileRole.TEST and file.source is not None:
            content = hashlib.sha256(file.source.read_bytes()).hexdigest()
            digest.update(f"\0{file.path}\0{content}".encode())
    return digest.hexdigest()
