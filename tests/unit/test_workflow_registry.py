"""The registry finds every gap before any run is accepted."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from computor_core.errors import NotFoundError, PluginError
from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.workflows.registry import WorkflowRegistry
from computor_core.workflows.samples import steps as samples

DEFINITION = """
    from computor_core.plugin_api.workflows import Settlement, Step, WorkflowContext, workflow

    work = Step[int, str]("registry.work")
    settle = Step[Settlement, None]("registry.settle")

    @workflow("registry.flow", version=1, finalizer=settle)
    async def flow(ctx: WorkflowContext, request: int) -> str:
        return await ctx.step(work, request)

    @workflow("registry.flow", version=2, finalizer=settle)
    async def flow_2(ctx: WorkflowContext, request: int) -> str:
        return await ctx.step(work, request + 1)

    @workflow("registry.unannotated", version=1, finalizer=settle)
    async def unannotated(ctx, request):
        return request

    wrong = Step[int, None]("registry.settle")

    @workflow("registry.badly_settled", version=1, finalizer=wrong)
    async def badly_settled(ctx: WorkflowContext, request: int) -> str:
        return ""

    number = 5
"""
IMPLEMENTATION = """
    async def work(ctx, request):
        return str(request)

    async def settle(ctx, settlement):
        pass

    nothing = None
"""
FLOW = WorkflowRegistration("registry.flow", 1, "sample_registry.definition:flow")
FLOW_2 = WorkflowRegistration("registry.flow", 2, "sample_registry.definition:flow_2")
WORK = StepRegistration("registry.work", "sample_registry.steps:work")
SETTLE = StepRegistration("registry.settle", "sample_registry.steps:settle")


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "sample_registry"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "definition.py").write_text(textwrap.dedent(DEFINITION))
    (folder / "steps.py").write_text(textwrap.dedent(IMPLEMENTATION))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "sample_registry"]:
        del sys.modules[name]


def problems(workflows: list[WorkflowRegistration], steps: list[StepRegistration]) -> list[object]:
    with pytest.raises(PluginError) as refused:
        WorkflowRegistry(workflows, steps)
    found = refused.value.details["problems"]
    assert isinstance(found, list)
    return found


def test_what_is_complete_is_accepted() -> None:
    registry = WorkflowRegistry([FLOW, FLOW_2], [WORK, SETTLE])
    registry.load_steps()
    assert registry.latest("registry.flow") == 2
    assert registry.definition("registry.flow", 1).key == "registry.flow@1"
    assert registry.declaration("registry.flow", 2, "registry.work").output_type is str
    assert set(registry.targets) == {("registry.flow", 1), ("registry.flow", 2)}


def test_what_isnt_installed_isnt_found() -> None:
    registry = WorkflowRegistry([FLOW], [WORK, SETTLE])
    for ask in (
        lambda: registry.latest("registry.other"),
        lambda: registry.definition("registry.flow", 9),
        lambda: registry.declaration("registry.flow", 1, "registry.other"),
        lambda: registry.implementation("registry.other"),
    ):
        with pytest.raises(NotFoundError):
            ask()


def test_a_step_without_implementation_is_a_gap() -> None:
    assert problems([FLOW], [SETTLE]) == [
        "step registry.work of workflow registry.flow@1 has no implementation"
    ]


def test_an_implementation_that_nobody_declares_is_a_gap() -> None:
    other = StepRegistration("registry.other", "sample_registry.steps:work")
    assert problems([FLOW], [WORK, SETTLE, other]) == [
        "step registry.other (sample_registry.steps:work) is declared by no installed workflow"
    ]


def test_two_of_a_name_are_refused_and_both_are_named() -> None:
    again = WorkflowRegistration("registry.flow", 1, "sample_registry.definition:flow_2")
    step = StepRegistration("registry.work", "sample_registry.steps:settle")
    here, steps = "sample_registry.definition", "sample_registry.steps"
    assert problems([FLOW, again], [WORK, SETTLE, step]) == [
        f"workflow registry.flow@1 is registered by {here}:flow and by {here}:flow_2",
        f"step registry.work is implemented by {steps}:work and by {steps}:settle",
    ]


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        ("registry.other", "sample_registry.definition:flow", "is registry.flow@1"),
        ("registry.flow", "sample_registry.definition:number", "is no workflow definition"),
        ("registry.flow", "sample_registry.definition:absent", "has no attribute 'absent'"),
        ("registry.flow", "sample_registry.definition", "isn't of the form"),
        ("registry.flow", "sample_registry.nowhere:flow", "has no source to check"),
        ("registry.unannotated", "sample_registry.definition:unannotated", "annotate"),
        ("registry.badly_settled", "sample_registry.definition:badly_settled", "doesn't take a Settlement"),
    ],
)
def test_a_target_that_isnt_the_definition_is_refused(name: str, target: str, says: str) -> None:
    found = problems([WorkflowRegistration(name, 1, target)], [])
    assert says in str(found[0])


def test_a_definition_that_breaks_the_import_rule_is_refused(package: Path) -> None:
    (package / "definition.py").write_text("import time\n" + textwrap.dedent(DEFINITION))
    assert problems([FLOW], []) == [
        "workflow registry.flow@1: sample_registry.definition:1: imports time, which a replay must not reach"
    ]


def test_broken_implementations_are_listed_at_once() -> None:
    registry = WorkflowRegistry(
        [FLOW],
        [
            StepRegistration("registry.work", "sample_registry.absent:work"),
            StepRegistration("registry.settle", "sample_registry.steps:nothing"),
        ],
    )
    with pytest.raises(PluginError) as refused:
        registry.load_steps()
    assert refused.value.details["problems"] == [
        "step registry.work: ModuleNotFoundError: No module named 'sample_registry.absent'",
        "step registry.settle: sample_registry.steps:nothing can't be called",
    ]


def test_the_samples_are_complete() -> None:
    WorkflowRegistry(samples.workflows(), samples.steps()).load_steps()


def test_a_definition_that_cant_be_loaded_isnt_held_against_its_steps() -> None:
    absent = WorkflowRegistration("registry.flow", 1, "sample_registry.definition:absent")
    (problem,) = problems([absent], [WORK, SETTLE])
    assert "has no attribute 'absent'" in problem
