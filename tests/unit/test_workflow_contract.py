"""What definitions are made of: steps, retries, durations, and the decorator."""

import subprocess
import sys
from datetime import timedelta

import pytest

from computor_core.plugin_api.workflows import (
    EventResult,
    Failure,
    Retry,
    RunState,
    Settlement,
    Step,
    StepContext,
    StepFailedError,
    WorkflowContext,
    WorkflowDefinition,
    minutes,
    seconds,
    workflow,
)

settle = Step[Settlement, None]("contract.settle")


def test_durations_are_spelled_out() -> None:
    assert (seconds(1.5), minutes(2)) == (timedelta(milliseconds=1500), timedelta(seconds=120))


def test_a_step_knows_its_types() -> None:
    step = Step[int, dict[str, float]]("contract.convert", timeout=minutes(1), retry=Retry(3))
    assert (step.input_type, step.output_type) == (int, dict[str, float])
    assert (step.timeout, step.retry.attempts, step.heartbeat) == (minutes(1), 3, None)


def test_a_step_without_types_says_so_when_asked() -> None:
    bare: Step[int, int] = Step("contract.bare")
    with pytest.raises(TypeError, match=r"contract\.bare is declared without its types"):
        _ = bare.input_type


@pytest.mark.parametrize("name", ["", "Upper.case", "1.first", "with space", "a..b", "a.", "x" * 101, "a@1"])
def test_names_are_dotted_lower_case_words(name: str) -> None:
    with pytest.raises(ValueError, match="must be dotted lower-case words"):
        Step[int, int](name)
    with pytest.raises(ValueError, match="must be dotted lower-case words"):
        workflow(name, version=1, finalizer=settle)


@pytest.mark.parametrize(
    "limits", [{"timeout": seconds(0)}, {"timeout": seconds(-1)}, {"heartbeat": seconds(0)}]
)
def test_a_steps_limits_are_positive(limits: dict[str, timedelta]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Step[int, int]("contract.limited", **limits)


def test_a_workflows_version_and_timeout_are_positive() -> None:
    with pytest.raises(ValueError, match="version must be 1 or more"):
        workflow("contract.flow", version=0, finalizer=settle)
    with pytest.raises(ValueError, match="timeout must be positive"):
        workflow("contract.flow", version=1, finalizer=settle, timeout=seconds(0))


def test_the_decorator_makes_a_definition() -> None:
    @workflow("contract.flow", version=3, finalizer=settle, timeout=minutes(5))
    async def flow(ctx: WorkflowContext, request: int) -> str:
        return str(request)

    assert isinstance(flow, WorkflowDefinition)
    assert (flow.key, flow.finalizer, flow.timeout) == ("contract.flow@3", settle, minutes(5))
    assert (flow.input_type, flow.output_type) == (int, str)


def test_a_definition_without_annotations_says_so_when_asked() -> None:
    @workflow("contract.flow", version=1, finalizer=settle)
    async def flow(ctx, request):  # type: ignore[no-untyped-def]
        return request

    with pytest.raises(TypeError, match="annotate"):
        _ = flow.input_type


def test_waits_between_attempts_grow_up_to_a_maximum() -> None:
    retry = Retry(10, initial=seconds(1), factor=2, maximum=seconds(5))
    assert [retry.delay(failed).total_seconds() for failed in (1, 2, 3, 4, 5)] == [1, 2, 4, 5, 5]
    assert Retry(initial=seconds(1), factor=10, maximum=minutes(1)).delay(10_000) == minutes(1)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"factor": 0.5}, {"initial": seconds(-1)}])
def test_a_retry_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Retry needs"):
        Retry(**wrong)  # type: ignore[arg-type]


def test_states_that_nothing_follows_are_terminal() -> None:
    assert {state.value for state in RunState if state.terminal} == {
        "completed",
        "failed",
        "cancelled",
        "timed_out",
    }


def test_an_event_result_without_payload_timed_out() -> None:
    assert EventResult("job.done", "1").timed_out
    assert not EventResult("job.done", "1", {}).timed_out


def test_a_settlement_says_why() -> None:
    import uuid

    failed = Settlement(uuid.uuid4(), "a.b", 1, RunState.FAILED, {}, failure=Failure("code", "a reason"))
    done = Settlement(uuid.uuid4(), "a.b", 1, RunState.COMPLETED, {}, output=1)
    assert (failed.reason, done.reason) == ("a reason", "")


def test_a_failed_step_names_itself_and_its_failure() -> None:
    error = StepFailedError("contract.convert", Failure("invalid", "no number"))
    assert error.message == "step contract.convert failed: no number"
    assert error.details == {"step": "contract.convert", "failure": "invalid"}


def test_a_steps_key_is_the_same_for_each_attempt() -> None:
    from uuid import UUID

    from computor_core.plugin_api.principal import Principal

    def attempt(number: int) -> StepContext:
        run_id = UUID(int=7)
        principal = Principal.system("workflow:contract.flow")
        return StepContext(None, run_id, "contract.flow", 1, "contract.convert", "2.1.1", number, principal)  # type: ignore[arg-type]

    assert attempt(1).idempotency_key == attempt(2).idempotency_key == f"{UUID(int=7)}:2.1.1"


def test_the_contract_costs_neither_pydantic_nor_sqlalchemy() -> None:
    script = (
        "import sys; import computor_core.plugin_api.workflows, computor_core.plugin_api.providers.engine,"
        " computor_core.plugin_api.providers.bus, computor_core.plugin_api.providers.cache;"
        " print(sorted({'pydantic', 'sqlalchemy', 'temporalio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
