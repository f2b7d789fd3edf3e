"""A definition's module reaches nothing that a replay must not reach."""

import importlib
import textwrap
from pathlib import Path

import pytest

from computor_core.workflows.import_rule import check_definition_module

GOOD = """
    from __future__ import annotations
    from dataclasses import dataclass
    from datetime import datetime, timedelta
    from typing import TYPE_CHECKING
    from uuid import UUID
    from pydantic import BaseModel
    from computor_core.plugin_api.workflows import Step, workflow
    if TYPE_CHECKING:
        from sqlalchemy import Table
    LATER = timedelta(hours=1)
    def parse(text: str) -> datetime:
        return datetime.fromisoformat(text)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package ``sample_rule``, importable by name."""
    folder = tmp_path / "sample_rule"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A package."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return folder


def problems(package: Path, source: str, name: str = "definition") -> list[str]:
    (package / f"{name}.py").write_text(textwrap.dedent(source))
    return [item.message for item in check_definition_module(f"sample_rule.{name}")]


def test_declarations_dtos_and_harmless_modules_pass(package: Path) -> None:
    assert problems(package, GOOD) == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import time", "time"),
        ("import asyncio", "asyncio"),
        ("import os.path", "os.path"),
        ("from random import random", "random"),
        ("import sqlalchemy", "sqlalchemy"),
        ("from computor_core.services import core", "computor_core.services.core"),
        ("import computor_core.plugin_api.db", "computor_core.plugin_api.db"),
        ("from computor_core import workflows", "computor_core.workflows"),
        ("def flow():\n    import socket", "socket"),
        ("try:\n    import secrets\nexcept ImportError:\n    pass", "secrets"),
    ],
)
def test_anything_else_is_refused_wherever_it_is_imported(package: Path, source: str, what: str) -> None:
    assert problems(package, source) == [f"imports {what}, which a replay must not reach"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("from datetime import datetime\nNOW = datetime.now()", "datetime.now"),
        ("import datetime\ndef f():\n    return datetime.datetime.utcnow()", "datetime.utcnow"),
        ("from datetime import datetime as dt\nx = dt.today", "datetime.today"),
        ("from datetime import date\nx = date.today()", "date.today"),
        ("import uuid\nx = uuid.uuid4()", "uuid.uuid4"),
        ("from uuid import uuid4\nx = uuid4()", "uuid4"),
        ("from uuid import uuid1 as make\nx = make()", "uuid1"),
    ],
)
def test_time_and_chance_are_asked_of_the_context(package: Path, source: str, what: str) -> None:
    assert problems(package, source) == [f"uses {what}; ask the context instead"]


@pytest.mark.parametrize("call", ["open('x')", "print(1)", "eval('1')", "__import__('os')"])
def test_builtins_that_reach_outside_are_refused(package: Path, call: str) -> None:
    (problem,) = problems(package, f"x = {call}")
    assert problem.endswith("which a replay must not do")


def test_what_the_package_imports_counts_as_well(package: Path) -> None:
    (package / "dtos.py").write_text("import threading\n")
    (package / "__init__.py").write_text("import logging\n")
    (package / "definition.py").write_text("from sample_rule.dtos import x\nfrom . import dtos\n")
    found = check_definition_module("sample_rule.definition")
    assert [str(item) for item in found] == [
        "sample_rule:1: imports logging, which a replay must not reach",
        "sample_rule.dtos:1: imports threading, which a replay must not reach",
    ]


def test_a_module_without_source_cant_be_checked(package: Path) -> None:
    (found,) = check_definition_module("sample_rule.nowhere")
    assert str(found) == "sample_rule.nowhere:0: has no source to check"


@pytest.mark.parametrize(
    "module", ["computor_core.submission_workflow.definition", "computor_core.workflows.samples.definitions"]
)
def test_cores_own_definitions_keep_the_rule(module: str) -> None:
    assert check_definition_module(module) == []
