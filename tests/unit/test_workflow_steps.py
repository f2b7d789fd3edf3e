"""One attempt of a step: its limits, and what becomes of its errors."""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from computor_core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PluginError,
    ProviderInvalidError,
    ProviderUnavailableError,
    TooManyRequestsError,
)
from computor_core.plugin_api.providers.engine import StepAttemptError, StepCall
from computor_core.plugin_api.workflows import (
    NonRetryableError,
    Settlement,
    Step,
    StepContext,
    WorkflowContext,
    seconds,
    workflow,
)
from computor_core.workflows.steps import StepRunner

plain = Step[int, int]("steps.plain", timeout=seconds(5))
short = Step[int, int]("steps.short", timeout=seconds(0.05))
lively = Step[int, int]("steps.lively", timeout=seconds(5), heartbeat=seconds(0.05))
calm = Step[int, int]("steps.calm", timeout=seconds(60), heartbeat=seconds(1))
settle = Step[Settlement, None]("steps.settle")


@workflow("steps.flow", version=1, finalizer=settle)
async def flow(ctx: WorkflowContext, request: int) -> int:
    return await ctx.step(plain, request)


class Registry:
    """One implementation, for whichever step is asked for."""

    def __init__(self, implementation: Any) -> None:
        self._implementation = implementation

    def declaration(self, name: str, version: int, step: str) -> Step[Any, Any]:
        return {item.name: item for item in (plain, short, lively, calm)}[step]

    def implementation(self, step: str) -> Any:
        if isinstance(self._implementation, Exception):
            raise self._implementation
        return self._implementation


def call(step: Step[Any, Any] = plain, request: object = 1) -> StepCall:
    return StepCall(UUID(int=1), "steps.flow", 1, "3", step.name, request, 2)


async def attempt(implementation: Any, what: StepCall | None = None) -> Any:
    return await StepRunner(Registry(implementation), None).run(what or call())  # type: ignore[arg-type]


async def failed(implementation: Any, what: StepCall | None = None) -> StepAttemptError:
    with pytest.raises(StepAttemptError) as caught:
        await attempt(implementation, what)
    return caught.value


async def test_an_implementation_gets_its_context_and_a_typed_request() -> None:
    async def work(ctx: StepContext, request: int) -> int:
        assert (ctx.step, ctx.workflow, ctx.version, ctx.position, ctx.attempt) == (
            "steps.plain",
            "steps.flow",
            1,
            "3",
            2,
        )
        assert ctx.idempotency_key == f"{UUID(int=1)}:3"
        assert ctx.principal.is_system
        assert ctx.principal.name == "workflow:steps.flow"
        return request + 1

    assert await attempt(work) == 2


@pytest.mark.parametrize(
    "error",
    [
        NonRetryableError("no use"),
        InvalidError("wrong"),
        NotFoundError("gone"),
        ForbiddenError("no"),
        ProviderInvalidError("wrong"),
        PluginError("broken"),
    ],
)
async def test_what_another_attempt_cant_mend_is_final(error: Exception) -> None:
    async def work(ctx: StepContext, request: int) -> int:
        raise error

    caught = await failed(work)
    assert (caught.retryable, caught.failure.code) == (False, error.code)  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_a_step_that_ends_the_process_has_failed(error: BaseException) -> None:
    async def work(ctx: StepContext, request: int) -> int:
        raise error

    caught = await failed(work)
    assert (caught.retryable, caught.failure.code) == (True, "step_unexpected")
    assert caught.failure.message == f"{type(error).__name__} was raised"


@pytest.mark.parametrize("error", [ConflictError("busy"), ProviderUnavailableError("away"), LookupError("?")])
async def test_anything_else_is_tried_again(error: Exception) -> None:
    async def work(ctx: StepContext, request: int) -> int:
        raise error

    assert (await failed(work)).retryable


async def test_the_text_of_an_unexpected_exception_goes_to_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(ctx: StepContext, request: int) -> int:
        raise LookupError("the password is hunter2")

    with caplog.at_level(logging.ERROR):
        failure = (await failed(work)).failure
    assert failure.code == "step_unexpected"
    assert "hunter2" not in f"{failure.message} {failure.details}"
    assert failure.details["type"] == "builtins.LookupError"
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    "error", [TooManyRequestsError("slower", retry_after=7), ProviderUnavailableError("away", retry_after=7)]
)
async def test_a_wait_that_was_asked_for_is_passed_on(error: Exception) -> None:
    async def work(ctx: StepContext, request: int) -> int:
        raise error

    assert (await failed(work)).retry_after == timedelta(seconds=7)


async def test_an_attempt_over_its_time_is_cancelled() -> None:
    ended: list[str] = []

    async def work(ctx: StepContext, request: int) -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return 0

    caught = await failed(work, call(short))
    assert (caught.failure.code, caught.retryable, ended) == ("step_timeout", True, ["cancelled"])


async def test_an_attempt_without_sign_of_life_is_cancelled() -> None:
    async def work(ctx: StepContext, request: int) -> int:
        await asyncio.Event().wait()
        return 0

    caught = await failed(work, call(lively))
    assert (caught.failure.code, caught.retryable) == ("step_heartbeat_lost", True)


async def test_signs_of_life_keep_an_attempt_going() -> None:
    async def work(ctx: StepContext, request: int) -> int:
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 1.2:
            ctx.heartbeat()
            await asyncio.sleep(0.02)
        return request

    assert await attempt(work, call(calm)) == 1


async def test_a_sign_of_life_that_nobody_demands_is_fine() -> None:
    async def work(ctx: StepContext, request: int) -> int:
        ctx.heartbeat()
        return request

    assert await attempt(work) == 1


async def test_a_timeout_inside_an_implementation_is_its_own_failure() -> None:
    async def work(ctx: StepContext, request: int) -> int:
        raise TimeoutError("somebody else's")

    assert (await failed(work)).failure.code == "step_unexpected"


async def test_cancelling_the_call_cancels_the_implementation() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work(ctx: StepContext, request: int) -> int:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 0

    task = asyncio.create_task(attempt(work))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@pytest.mark.parametrize("request_", ["many", None, {"a": 1}])
async def test_a_request_that_doesnt_fit_is_final(request_: object) -> None:
    async def work(ctx: StepContext, request: int) -> int:
        return request

    caught = await failed(work, call(request=request_))
    assert (caught.retryable, caught.failure.code) == (False, "step_non_retryable")


async def test_an_output_that_doesnt_fit_is_final() -> None:
    async def work(ctx: StepContext, request: int) -> str:
        return "many"

    caught = await failed(work)
    assert (caught.retryable, caught.failure.code) == (False, "step_non_retryable")
    assert caught.failure.message == "output of step steps.plain isn't a int"


async def test_a_step_that_nobody_implements_is_final() -> None:
    caught = await failed(NotFoundError("no installed plugin implements it"))
    assert (caught.retryable, caught.failure.code) == (False, "not_found")
