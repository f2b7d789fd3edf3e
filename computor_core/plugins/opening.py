"""Opening provider instances through their factories."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from computor_core.errors import ComputorError, PluginError
from computor_core.plugin_api.providers.auth import AuthProvider
from computor_core.plugin_api.providers.base import AppContext, Provider
from computor_core.plugin_api.providers.bus import EventBus
from computor_core.plugin_api.providers.cache import Cache
from computor_core.plugin_api.providers.engine import WorkflowEngine
from computor_core.plugin_api.providers.git import GitHost
from computor_core.plugin_api.providers.runner import TestRunner
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.targets import load_target, raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from computor_core.settings.composition import Instance

CONTRACTS: Mapping[str, type[Provider]] = {
    contract.seam: contract
    for contract in (AuthProvider, StorageBackend, GitHost, TestRunner, WorkflowEngine, Cache, EventBus)
}
"""The contract class of each seam."""

OPENING_TIMEOUT = 60.0
"""Seconds after which an instance that doesn't come up counts as failed."""


async def open_instance(stack: AsyncExitStack, instance: Instance, context: AppContext) -> Provider:
    """Open one instance; the stack closes it.

    Raises:
        PluginError: It can't be opened; seam, instance, type and plugin are named.
    """
    registered = instance.provider
    label = (
        f"{instance.seam} instance {instance.name!r} (type {registered.registration.type!r} "
        f"of plugin {registered.plugin}, {registered.distribution})"
    )
    registration = registered.registration
    provider: Any = await open_named(
        stack, registration.factory, label, instance.settings, context, timeout=OPENING_TIMEOUT
    )
    contract = CONTRACTS[instance.seam]
    if not isinstance(provider, contract):
        raise PluginError(f"the {label} is a {type(provider).__name__}, which is no {contract.__name__}")
    opened: Provider = provider
    return opened


async def open_named(
    stack: AsyncExitStack,
    target: str,
    label: str,
    *arguments: object,
    timeout: float | None = None,  # noqa: ASYNC109 - a limit of the start, not of the caller
) -> object:
    """Open what a plugin brings: load the target, call it and enter what comes; the stack closes it.

    Args:
        stack: Closes it again.
        target: Import string of ``(*arguments) -> AbstractAsyncContextManager``.
        label: ``"storage instance 'default' (…)"``, for messages.
        arguments: What it is called with.
        timeout: Seconds after which it counts as failed, None for no limit.

    Raises:
        PluginError: It can't be loaded or opened; the stack raises one when it can't be closed.
    """
    inner = AsyncExitStack()
    limit: asyncio.Timeout | None = None
    try:
        build: Any = load_target(target)
        manager: AbstractAsyncContextManager[object] = build(*arguments)
        async with asyncio.timeout(timeout) as limit:
            opened = await inner.enter_async_context(manager)
    except ComputorError as error:
        raise PluginError(f"the {label} can't be opened: {error.message}", hint=error.hint) from error
    except (Exception, SystemExit) as error:
        if limit is not None and limit.expired():
            raise PluginError(f"the {label} didn't come up within {timeout:.0f} seconds") from error
        raise PluginError(f"the {label} can't be opened: {raised(error)}") from error
    stack.push_async_exit(partial(_close, inner, label))
    return opened


async def _close(
    inner: AsyncExitStack,
    label: str,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
) -> bool | None:
    try:
        return await inner.__aexit__(kind, error, trace)
    except (Exception, SystemExit) as failed:
        if error is not None:
            raise  # it was told of another's failure, which comes first
        raise PluginError(f"the {label} can't be closed: {raised(failed)}") from failed


async def open_all(
    stack: AsyncExitStack, instances: Iterable[Instance], context_for: Callable[[Instance], AppContext]
) -> dict[tuple[str, str], Provider]:
    """Open every instance, by seam and name.

    Raises:
        PluginError: Some can't be opened; all of those are named.
    """
    opened: dict[tuple[str, str], Provider] = {}
    failures: list[PluginError] = []
    for instance in instances:
        try:
            provider = await open_instance(stack, instance, context_for(instance))
        except PluginError as error:
            failures.append(error)
        else:
            opened[instance.seam, instance.name] = provider
    if len(failures) == 1:
        raise failures[0]
    if failures:
        lines = "\n".join(f"  {failure.message}" for failure in failures)
        raise PluginError(
            f"{len(failures)} provider instances can't be opened:\n{lines}",
            details={"problems": [failure.message for failure in failures]},
        ) from ExceptionGroup("provider instances", failures)
    return opened
