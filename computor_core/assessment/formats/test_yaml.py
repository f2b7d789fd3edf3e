"""``test.yaml``: suite → collections → tests, each inheriting what the one around it sets.

Four types of collection are read: ``function-call``, ``stdio``, ``exitcode`` and ``pytest``. Any other
is a problem with file and line, never skipped: an example whose tests are partly ignored would hand
out points for nothing.

Keys of a suite's ``properties``, of a collection and of a test that are inherited: ``timeout``
(seconds), ``memoryLimit`` (MiB), ``visibility``, ``points`` (of each test), ``qualification``,
``ignoreCase``, ``relativeTolerance``, ``absoluteTolerance``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from computor_core.assessment.compare import PatternError, check_pattern
from computor_core.assessment.formats.yaml_source import KeyPath, Source
from computor_core.assessment.harness.computor_values import EncodingError, encode
from computor_core.assessment.model import TextMode

Report = Callable[[KeyPath, str, str], None]
"""Takes the path of what is wrong, a code and a message."""

_INHERITED = frozenset(
    [
        "timeout",
        "memoryLimit",
        "visibility",
        "points",
        "qualification",
        "ignoreCase",
        "relativeTolerance",
        "absoluteTolerance",
    ]
)
_COLLECTION = frozenset(["type", "name", "id", "description", "entryPoint", "tests"]) | _INHERITED
_TEST = frozenset(["name", "id", "description"]) | _INHERITED
_PROGRAM = frozenset(["args", "stdin", "expectedStdout", "expectedStderr", "expectedExitCode"])
_KEYS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "function-call": (
        _COLLECTION | {"function"},
        _TEST | frozenset(["arguments", "keywords", "expected", "raises"]),
    ),
    "stdio": (_COLLECTION | {"args"}, _TEST | _PROGRAM),
    "exitcode": (_COLLECTION | {"args"}, _TEST | _PROGRAM),
    "pytest": (_COLLECTION, _TEST | {"test"}),
}
_QUALIFICATIONS = {
    "exact": TextMode.EXACT,
    "lines": TextMode.LINES,
    "verifyEqual": TextMode.LINES,
    "matches": TextMode.LINES,
    "tokens": TextMode.TOKENS,
    "numericOutput": TextMode.NUMERIC,
    "regexp": TextMode.REGEX,
}
_SUITE_KEYS = frozenset(["type", "name", "description", "version", "properties"])
_MEBIBYTE = 1024 * 1024


def read_groups(source: Source, default_file: str, report: Report) -> list[dict[str, Any]]:
    """The groups in a ``test.yaml``, as input for the model, with the paths they came from.

    Args:
        source: The file.
        default_file: Entry point for collections that name none.
        report: Takes every problem; reading goes on after one.

    Returns:
        Groups with the further key ``"at"`` (the collection's path), and in each case ``"at"`` too.
    """
    suite = source.data
    if not isinstance(suite, dict):
        report((), "not_a_mapping", "a test suite is a mapping")
        return []
    _unknown(suite, _SUITE_KEYS, (), report)
    properties = suite.get("properties") or {}
    if not isinstance(properties, dict):
        report(("properties",), "not_a_mapping", "properties is a mapping")
        return []
    _unknown(properties, _INHERITED | {"tests"}, ("properties",), report)
    inherited = {key: value for key, value in properties.items() if key in _INHERITED}
    groups: list[dict[str, Any]] = []
    for at, collection in _items(properties.get("tests"), ("properties", "tests"), report):
        kind = collection.get("type")
        if not isinstance(kind, str) or kind not in _KEYS:
            known = ", ".join(sorted(_KEYS))
            report((*at, "type"), "unknown_test_type", f"the test type {kind!r} isn't known ({known} are)")
            continue
        groups.append(_group(collection, at, inherited, default_file, len(groups), report))
    return groups


def _items(value: object, at: KeyPath, report: Report) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    if not isinstance(value, list) or not value:
        report(at, "no_tests", "a list of tests is missing or empty")
        return
    for index, item in enumerate(value):
        if isinstance(item, dict):
            yield (*at, index), item
        else:
            report((*at, index), "not_a_mapping", "a test is a mapping")


def _unknown(found: Mapping[Any, Any], known: frozenset[str], at: KeyPath, report: Report) -> None:
    for key in found:
        if key not in known:
            report((*at, str(key)), "unknown_key", f"the key {key!r} isn't known here")


def _group(
    collection: dict[str, Any],
    at: KeyPath,
    inherited: dict[str, Any],
    default_file: str,
    number: int,
    report: Report,
) -> dict[str, Any]:
    kind = collection["type"]
    own_keys, test_keys = _KEYS[kind]
    _unknown(collection, own_keys, at, report)
    inherited = {**inherited, **{key: value for key, value in collection.items() if key in _INHERITED}}
    group: dict[str, Any] = {
        "kind": kind,
        "id": str(collection.get("id", f"g{number + 1}")),
        "name": str(collection.get("name", kind)),
        "limits": _limits(inherited),
        "cases": [],
        "at": at,
    }
    if kind != "pytest":
        group["file"] = collection.get("entryPoint", default_file)
    if kind == "function-call":
        group["function"] = collection.get("function")
    for place, test in _items(collection.get("tests"), (*at, "tests"), report):
        _unknown(test, test_keys, place, report)
        settings = {**inherited, **{key: value for key, value in test.items() if key in _INHERITED}}
        case = _case(test, place, settings, len(group["cases"]), report)
        group["cases"].append({**case, **_PARTS[kind](collection, test, place, settings, report)})
    return group


def _limits(settings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "timeout" in settings:
        found |= {"wall_seconds": settings["timeout"], "cpu_seconds": settings["timeout"]}
    if isinstance(settings.get("memoryLimit"), (int, float)):
        found["memory_bytes"] = int(settings["memoryLimit"] * _MEBIBYTE)
    return found


def _case(
    test: dict[str, Any], at: KeyPath, settings: dict[str, Any], number: int, report: Report
) -> dict[str, Any]:
    case: dict[str, Any] = {
        "id": str(test.get("id", f"t{number + 1}")),
        "name": str(test.get("name", f"Test {number + 1}")),
        "at": at,
    }
    if "visibility" in settings:
        case["visibility"] = settings["visibility"]
    if "points" in settings:
        try:
            # By way of the text, so that 0.1 in the file is exactly 0.1.
            case["points"] = Decimal(str(settings["points"]))
        except InvalidOperation:
            report((*at, "points"), "not_a_number", f"{settings['points']!r} isn't a number of points")
    return case


def _call(
    collection: dict[str, Any], test: dict[str, Any], at: KeyPath, settings: dict[str, Any], report: Report
) -> dict[str, Any]:
    found: dict[str, Any] = {"raises": test.get("raises")}
    if ("expected" in test) == ("raises" in test):
        report(at, "no_expectation", "a function call expects either a result or an exception")
    tolerances = _tolerances(settings)
    if tolerances:
        found["comparison"] = {"mode": "approximate", **tolerances}
    arguments, keywords = test.get("arguments", []), test.get("keywords", {})
    if not isinstance(arguments, list) or not isinstance(keywords, dict):
        report(at, "not_a_list", "arguments is a list and keywords a mapping")
        return found
    try:
        found["arguments"] = [encode(value) for value in arguments]
        found["keywords"] = {str(name): encode(value) for name, value in keywords.items()}
        found["expected"] = encode(test.get("expected"))
    except EncodingError as error:
        report(at, "bad_value", str(error))
    return found


def _program(
    collection: dict[str, Any], test: dict[str, Any], at: KeyPath, settings: dict[str, Any], report: Report
) -> dict[str, Any]:
    qualification = str(settings.get("qualification", "lines"))
    mode = _QUALIFICATIONS.get(qualification)
    if mode is None:
        known = ", ".join(_QUALIFICATIONS)
        report(at, "unknown_qualification", f"{qualification!r} isn't known ({known} are)")
        mode = TextMode.LINES
    found: dict[str, Any] = {
        "args": [str(argument) for argument in test.get("args", collection.get("args", []))],
        "comparison": {
            "mode": mode,
            "ignore_case": settings.get("ignoreCase", False),
            **_tolerances(settings),
        },
        "exit_code": test.get("expectedExitCode", 0),
    }
    for name, key in (("stdin", "stdin"), ("stdout", "expectedStdout"), ("stderr", "expectedStderr")):
        if key in test:
            found[name] = str(test[key])
    for name in ("stdout", "stderr"):
        if mode is TextMode.REGEX and name in found:
            try:
                check_pattern(found[name])
            except PatternError as error:
                report(at, "bad_pattern", str(error))
    return found


def _unit(
    collection: dict[str, Any], test: dict[str, Any], at: KeyPath, settings: dict[str, Any], report: Report
) -> dict[str, Any]:
    return {"test": str(test.get("test", ""))}


def _tolerances(settings: dict[str, Any]) -> dict[str, Any]:
    names = {"relativeTolerance": "relative", "absoluteTolerance": "absolute"}
    return {name: settings[key] for key, name in names.items() if key in settings}


_PARTS = {"function-call": _call, "stdio": _program, "exitcode": _program, "pytest": _unit}
