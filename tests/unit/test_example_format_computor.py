"""The format ``computor`` reads examples, and says with file and line why it doesn't."""

from decimal import Decimal
from pathlib import Path

import pytest

from computor_core.assessment.formats.computor import ComputorFormat
from computor_core.assessment.model import FunctionCallGroup, StdioGroup, Visibility
from computor_core.errors import InvalidError
from computor_core.plugin_api.providers.formats import Dependency, FileRole, LoadedExample, Severity

META = """\
identifier: unit.example
version: "1.2"
title: An example
language: en
license: MIT
properties:
  studentSubmissionFiles: [main.py]
  studentTemplates: [studentTemplates/main.py]
  additionalFiles: [data/numbers.txt]
  testFiles: [test_main.py]
  testDependencies:
    - unit.first
    - {slug: unit.second, version: ">=2"}
  executionBackend:
    slug: itpcp.exec.py
    settings: {timeout: 4, memoryLimitMB: 64, maxProcesses: 5}
"""
TEST = """\
type: python
name: Tests
properties:
  points: 0.1
  tests:
    - type: function-call
      id: calls
      name: Calls
      function: f
      tests:
        - {name: One, arguments: [!tuple [1, 2]], keywords: {k: 1.5}, expected: !set [1, 2]}
        - {name: Two, arguments: [!bytes "ff00"], expected: !complex 1 + 2j, visibility: never, points: 2}
        - {name: Three, arguments: [.nan], raises: ValueError}
    - type: stdio
      id: runs
      name: Runs
      qualification: numericOutput
      absoluteTolerance: 0.5
      visibility: after_due
      timeout: 9
      tests:
        - {name: Four, stdin: "1", expectedStdout: "2"}
        - {name: Five, qualification: regexp, expectedStdout: "a+", visibility: always}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    files = {
        "meta.yaml": META,
        "test.yaml": TEST,
        "content/index.md": "# Statement",
        "content/index_de.md": "# Aufgabe",
        "content/mediaFiles/img/a.svg": "<svg/>",
        "content/notes.txt": "for teachers",
        "studentTemplates/main.py": "def f(): ...",
        "data/numbers.txt": "1 2 3",
        "main.py": "def f(): return SOLUTION",
        "test_main.py": "SECRET TEST",
        "localTests/studentSolution/main.py": "LEFT",
        "solution_notes.md": "LEFT",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def load(directory: Path) -> LoadedExample:
    return ComputorFormat().load(directory)


def change(directory: Path, name: str, old: str, new: str) -> None:
    text = (directory / name).read_text()
    assert old in text
    (directory / name).write_text(text.replace(old, new))


def problems(directory: Path) -> set[tuple[str, str]]:
    with pytest.raises(InvalidError) as caught:
        load(directory)
    return {(problem.path, problem.code) for problem in caught.value.fields}


def test_what_it_is_called(directory: Path) -> None:
    example = load(directory)
    assert ComputorFormat().detect(directory)
    assert (example.identifier, example.version, example.title) == ("unit.example", "1.2.0", "An example")
    assert example.dependencies == (Dependency("unit.first"), Dependency("unit.second", ">=2"))


def test_the_older_form_has_a_slug(directory: Path) -> None:
    change(directory, "meta.yaml", "identifier: unit.example", "slug: unit.old")
    change(directory, "meta.yaml", 'version: "1.2"', "version: 3")
    assert (load(directory).identifier, load(directory).version) == ("unit.old", "3.0.0")


def test_students_get_what_the_allow_list_names(directory: Path) -> None:
    given = {file.path for file in load(directory).for_students()}
    assert given == {"README.md", "README_de.md", "mediaFiles/img/a.svg", "main.py", "numbers.txt"}


def test_students_get_no_solution_and_no_test(directory: Path) -> None:
    contents = [file.source.read_text() for file in load(directory).for_students() if file.source]
    assert not any("SOLUTION" in text or "SECRET" in text or "LEFT" in text for text in contents)


def test_a_file_without_a_template_is_born_empty(directory: Path) -> None:
    change(directory, "meta.yaml", "  studentTemplates: [studentTemplates/main.py]\n", "")
    (template,) = load(directory).of_role(FileRole.TEMPLATE)
    assert (template.path, template.source) == ("main.py", None)


def test_the_reference_is_found_in_both_places(directory: Path) -> None:
    assert load(directory).of_role(FileRole.REFERENCE)[0].source == directory / "main.py"
    (directory / "localTests/correctSolution").mkdir()
    (directory / "main.py").rename(directory / "localTests/correctSolution/main.py")
    (reference,) = load(directory).of_role(FileRole.REFERENCE)
    assert reference.source == directory / "localTests/correctSolution/main.py"


def test_what_is_left_is_said(directory: Path) -> None:
    left = {found.file for found in load(directory).diagnostics if found.code == "left"}
    assert left == {"content/notes.txt", "localTests/studentSolution/main.py", "solution_notes.md"}


def test_settings_are_inherited_from_suite_to_test(directory: Path) -> None:
    spec = load(directory).spec
    calls, runs = spec.groups
    assert isinstance(calls, FunctionCallGroup)
    assert isinstance(runs, StdioGroup)
    assert [case.points for case in calls.cases] == [Decimal("0.1"), Decimal(2), Decimal("0.1")]
    assert [case.visibility for case in runs.cases] == [Visibility.AFTER_DUE, Visibility.ALWAYS]
    assert [case.comparison.mode.value for case in runs.cases] == ["numeric", "regex"]
    assert runs.cases[0].comparison.absolute == 0.5
    assert (calls.limits.wall_seconds, calls.limits.processes) == (4, 5)
    assert calls.limits.memory_bytes == 64 * 1024 * 1024
    assert runs.limits.wall_seconds == 9
    assert spec.max_points == Decimal("2.4")


def test_values_are_encoded(directory: Path) -> None:
    calls = load(directory).spec.groups[0]
    assert isinstance(calls, FunctionCallGroup)
    assert calls.cases[0].arguments == ({"tuple": [1, 2]},)
    assert calls.cases[0].expected in ({"set": [1, 2]}, {"set": [2, 1]})
    assert calls.cases[1].arguments == ({"bytes": "ff00"},)
    assert calls.cases[1].expected == {"complex": [1.0, 2.0]}
    assert calls.cases[2].arguments == ({"float": "nan"},)
    assert calls.cases[2].raises == "ValueError"


def test_the_digest_covers_specification_and_test_files(directory: Path) -> None:
    digests = {load(directory).spec.test_tree}
    (directory / "test_main.py").write_text("another")
    digests.add(load(directory).spec.test_tree)
    change(directory, "test.yaml", 'expectedStdout: "2"', 'expectedStdout: "3"')
    digests.add(load(directory).spec.test_tree)
    (directory / "content/index.md").write_text("another")
    digests.add(load(directory).spec.test_tree)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("test.yaml", "type: stdio", "type: graphics", ("test.yaml:14", "unknown_test_type")),
        ("test.yaml", "type: stdio", "type: [stdio]", ("test.yaml:14", "unknown_test_type")),
        ("test.yaml", "      function: f\n", "", ("test.yaml:6", "string_type")),
        ("test.yaml", "      function: f\n", "      funktion: f\n", ("test.yaml:9", "unknown_key")),
        ("test.yaml", 'expectedStdout: "2"', 'expectedStdot: "2"', ("test.yaml:22", "unknown_key")),
        (
            "test.yaml",
            "raises: ValueError",
            "raises: not a name",
            ("test.yaml:13", "string_pattern_mismatch"),
        ),
        ("test.yaml", ", raises: ValueError", "", ("test.yaml:13", "no_expectation")),
        ("test.yaml", "points: 2", "points: two", ("test.yaml:12", "not_a_number")),
        ("test.yaml", "points: 2", "points: -2", ("test.yaml:12", "greater_than_equal")),
        ("test.yaml", "visibility: never", "visibility: hidden", ("test.yaml:12", "enum")),
        ("test.yaml", "numericOutput", "soundsLike", ("test.yaml:22", "unknown_qualification")),
        ("test.yaml", '"a+"', '"(a+"', ("test.yaml:23", "bad_pattern")),
        ("test.yaml", "id: runs", "id: calls", ("test.yaml", "value_error")),
        ("test.yaml", "name: Tests", "name: Tests\nname: Tests", ("test.yaml:3", "unreadable")),
        ("test.yaml", "name: Tests", "name: &a Tests\ndescription: *a", ("test.yaml:3", "unreadable")),
        (
            "test.yaml",
            "name: Tests",
            "name: !!python/object/apply:os.system [ls]",
            ("test.yaml:2", "unreadable"),
        ),
        ("test.yaml", "name: Tests", "name: [", ("test.yaml:4", "unreadable")),
        ("meta.yaml", 'version: "1.2"', "version: newest", ("meta.yaml:2", "bad_version")),
        ("meta.yaml", "title: An example", "title: ''", ("meta.yaml:3", "string_too_short")),
        ("meta.yaml", "title: An example\n", "", ("meta.yaml:1", "missing")),
        (
            "meta.yaml",
            "identifier: unit.example",
            "identifier: ../escape",
            ("meta.yaml:1", "string_pattern_mismatch"),
        ),
        ("meta.yaml", "[main.py]", "[../main.py]", ("meta.yaml:7", "value_error")),
        ("meta.yaml", "[data/numbers.txt]", "[absent.txt]", ("meta.yaml", "missing_file")),
        ("meta.yaml", "[test_main.py]", "[studentTemplates/main.py]", ("meta.yaml", "shown_and_hidden")),
        ("meta.yaml", "[data/numbers.txt]", "[test_main.py]", ("meta.yaml", "shown_and_hidden")),
        ("meta.yaml", "[data/numbers.txt]", "[main.py]", ("meta.yaml", "path_twice")),
        ("meta.yaml", "  studentSubmissionFiles: [main.py]\n", "", ("meta.yaml:6", "no_submission_files")),
    ],
)
def test_a_problem_is_told_with_file_and_line(
    directory: Path, name: str, old: str, new: str, problem: tuple[str, str]
) -> None:
    change(directory, name, old, new)
    assert problem in problems(directory)


def test_all_problems_are_told_at_once(directory: Path) -> None:
    change(directory, "test.yaml", "type: stdio", "type: graphics")
    change(directory, "test.yaml", "points: 2", "points: two")
    change(directory, "meta.yaml", "[data/numbers.txt]", "[absent.txt]")
    codes = {code for _, code in problems(directory)}
    assert codes == {"unknown_test_type", "not_a_number", "missing_file"}


@pytest.mark.parametrize("name", ["meta.yaml", "test.yaml", "content/index.md"])
def test_a_link_is_refused(directory: Path, name: str) -> None:
    (directory / name).rename(directory / "elsewhere")
    (directory / name).symlink_to(directory / "elsewhere")
    assert (name, "link") in problems(directory)


@pytest.mark.parametrize("name", ["meta.yaml", "test.yaml"])
def test_hostile_files_are_refused(directory: Path, name: str) -> None:
    for content in (b"\xff\xfe", b"[" * 5000, b"a: " + b"x" * (3 * 1024 * 1024), b"", b"- 1", b"just text"):
        (directory / name).write_bytes(content)
        assert any(path.startswith(name) for path, _ in problems(directory))


def test_a_missing_file_is_a_problem(directory: Path) -> None:
    (directory / "test.yaml").unlink()
    assert not ComputorFormat().detect(directory)
    assert ("test.yaml", "unreadable") in problems(directory)


def test_an_odd_thing_is_a_warning(directory: Path) -> None:
    change(directory, "meta.yaml", "license: MIT", "license: MIT\nflavour: sweet")
    change(directory, "meta.yaml", "main.py", "json.py")
    (directory / "studentTemplates/main.py").rename(directory / "studentTemplates/json.py")
    change(directory, "meta.yaml", "[test_json.py]", "[test_main.py]")
    warnings = {
        (found.code, found.line)
        for found in load(directory).diagnostics
        if found.severity is Severity.WARNING
    }
    assert warnings == {("unknown_key", 6), ("no_reference", None), ("shadows_library", None)}


UNIT_TESTS = """
    - type: pytest
      id: units
      tests:
        - {name: Shown, test: "test_main.py::test_shown"}
        - {name: Hidden, test: "test_main.py::test_hidden", visibility: never}
"""


def with_unit_tests(directory: Path, *shared: str) -> None:
    (directory / "test.yaml").write_text(TEST.rstrip("\n") + UNIT_TESTS)
    files = ["test_main.py", "test_hidden.py", *shared]
    for name in files:
        (directory / name).write_text("")
    change(directory, "meta.yaml", "[test_main.py]", f"[{', '.join(files)}]")


def test_shown_and_hidden_unit_tests_in_one_file_are_refused(directory: Path) -> None:
    with_unit_tests(directory)
    with pytest.raises(InvalidError) as caught:
        load(directory)
    (problem,) = caught.value.fields
    assert problem.path == "test.yaml"
    assert "test_main.py::test_shown has the visibility always" in problem.message
    assert "test_main.py::test_hidden has never" in problem.message
    assert "move the tests of each visibility into a file of their own" in problem.message


def test_a_file_that_visible_and_hidden_unit_tests_share_is_warned_of(directory: Path) -> None:
    with_unit_tests(directory, "conftest.py", "expected.json")
    change(directory, "test.yaml", "test_main.py::test_hidden", "test_hidden.py::test_hidden")
    (warning,) = [found for found in load(directory).diagnostics if found.code == "shared_test_file"]
    assert (warning.severity, warning.file) == (Severity.WARNING, "expected.json")


def test_unit_tests_of_one_visibility_may_share_what_they_like(directory: Path) -> None:
    with_unit_tests(directory, "expected.json")
    change(directory, "test.yaml", 'test_hidden", visibility: never', 'test_hidden"')
    assert [found for found in load(directory).diagnostics if found.code == "shared_test_file"] == []
