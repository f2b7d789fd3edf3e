"""Definitions run inside the sandbox: imported by name, never passed through."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from computor_engine_temporal.provider import PASSED_THROUGH, TemporalEngine

from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.plugin_api.workflows import RunState
from computor_core.testing.engine_host import EngineHostApp
from computor_core.workflows.samples import steps as samples

DEFINITION = """
    {imports}
    from computor_core.plugin_api.workflows import Settlement, Step, WorkflowContext, workflow

    settle = Step[Settlement, None]("sample.settle")

    @workflow("sandbox.flow", version=1, finalizer=settle)
    async def flow(ctx: WorkflowContext, request: dict[str, int]) -> str:
        return str({expression})
"""
FORBIDDEN = [
    ("import time", "time.time()"),
    ("import random", "random.random()"),
    ("from datetime import datetime", "datetime.now()"),
    ("import uuid", "uuid.uuid4()"),
    ("import os", "os.listdir('/')"),
    ("import socket", "socket.gethostname()"),
    ("", "open('/etc/hostname').read()"),
]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package for a definition, which the registry doesn't check."""
    folder = tmp_path / "sandbox_sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("computor_core.workflows.registry.check_definition_module", lambda name: [])
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox_sample"]:
        del sys.modules[name]


def write(package: Path, imports: str, expression: str) -> WorkflowRegistration:
    source = DEFINITION.format(imports=imports, expression=expression)
    (package / "definition.py").write_text(textwrap.dedent(source))
    return WorkflowRegistration("sandbox.flow", 1, "sandbox_sample.definition:flow")


SETTLE = [StepRegistration("sample.settle", "computor_core.workflows.samples.steps:settle")]


@pytest.mark.temporal
@pytest.mark.parametrize(("imports", "expression"), FORBIDDEN, ids=[item[1] for item in FORBIDDEN])
async def test_what_isnt_the_same_in_a_replay_is_refused(
    imports: str, expression: str, app: EngineHostApp, engine: TemporalEngine, package: Path
) -> None:
    runtime = app.runtime(engine, [write(package, imports, expression)], SETTLE)
    async with app.running(runtime):
        run = await runtime.wait(await app.start("sandbox.flow", {}))
    assert run.state is RunState.FAILED
    assert run.failure is not None
    assert run.failure.code == "workflow_non_determinism"


@pytest.mark.temporal
async def test_each_run_has_a_module_of_its_own(
    app: EngineHostApp, engine: TemporalEngine, package: Path
) -> None:
    """What one run leaves in its definition's module, another doesn't find."""
    registration = write(package, "seen: list[int] = []", "(seen.append(1), len(seen))")
    runtime = app.runtime(engine, [registration], SETTLE)
    async with app.running(runtime):
        outputs = [await runtime.result(await app.start("sandbox.flow", {})) for _ in range(3)]
    assert outputs == ["(None, 1)"] * 3


def test_no_definition_module_is_passed_through() -> None:
    targets = [item.target for item in samples.workflows()]
    targets.append("computor_core.submission_workflow.definition:test_submission")
    for target in targets:
        module = target.partition(":")[0]
        assert not any(module == name or module.startswith(f"{name}.") for name in PASSED_THROUGH)
