"""The guard around provider instances: no provider I/O inside a unit of work.

A provider may take seconds or hang; inside a unit of work it would hold a transaction open, on
SQLite the only writer. The proxy refuses such calls before they reach the provider.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from computor_core.plugin_api.providers.base import Provider, in_unit_of_work

if TYPE_CHECKING:
    from collections.abc import Callable

UNGUARDED = frozenset({"cache", "bus"})
"""Seams that answer at once by contract, and may be called from anywhere."""

P = TypeVar("P", bound=Provider)


class GuardedProvider:
    """Stands in for a provider; ``isinstance`` sees the provider's class.

    Args:
        provider: The provider.
        label: ``"storage instance 'default'"``, for messages.
    """

    def __init__(self, provider: Provider, label: str) -> None:
        self._provider = provider
        self._label = label

    @property  # type: ignore[misc]
    def __class__(self) -> type[Provider]:  # type: ignore[override]
        return type(self._provider)  # what isinstance asks

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the provider has
        value = getattr(self._provider, name)
        if not callable(value) or isinstance(value, type):
            return value
        guarded = _guard(value, f"{self._label}: {name}")
        self.__dict__[name] = guarded  # the next look-up doesn't come here
        return guarded

    def __repr__(self) -> str:
        return f"<guarded {self._provider!r}>"


def guard(provider: P, seam: str, instance: str) -> P:
    """The provider behind its guard; typed as the provider, since it has all that it has."""
    if seam in UNGUARDED:
        return provider
    guarded: Any = GuardedProvider(provider, f"{seam} instance {instance!r}")
    return guarded  # type: ignore[no-any-return]


def _guard(method: Callable[..., Any], label: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the provider's own signature
        _refuse_inside(label)
        came = method(*arguments, **named)
        if isinstance(came, AsyncIterator):
            return _GuardedIterator(came, label)
        if isinstance(came, AbstractAsyncContextManager):
            return _guarded_stream(came, label)
        return came

    return call


def _refuse_inside(label: str) -> None:
    if in_unit_of_work.get():
        raise RuntimeError(f"{label} was called inside a unit of work; call it before or after")


@asynccontextmanager
async def _guarded_stream(manager: AbstractAsyncContextManager[Any], label: str) -> AsyncIterator[Any]:
    """A stream that was opened, perhaps, outside a unit of work, and is read inside one."""
    _refuse_inside(label)
    async with manager as came:
        yield _GuardedIterator(came, label) if isinstance(came, AsyncIterator) else came


class _GuardedIterator(AsyncIterator[Any]):
    """An iterator whose every step is a provider call of its own."""

    def __init__(self, iterator: AsyncIterator[Any], label: str) -> None:
        self._iterator = iterator
        self._label = label

    async def __anext__(self) -> Any:  # noqa: ANN401 - whatever the provider yields
        _refuse_inside(self._label)
        return await self._iterator.__anext__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a generator's aclose
        return getattr(self._iterator, name)
