"""Proving a provider by using it, where that is cheap and leaves nothing behind."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Literal

from computor_core.errors import ProviderError
from computor_core.plugin_api.providers.base import Provider
from computor_core.plugin_api.providers.cache import Cache, SetEntry
from computor_core.plugin_api.providers.runner import Isolation, TestRunner
from computor_core.plugin_api.providers.storage import OpenBlob, PutBlob, StorageBackend
from computor_core.services.isolation import HINT, shortfall


async def round_trip(provider: Provider, minimum: Isolation | Literal["auto"]) -> Mapping[str, str]:
    """Use a provider once.

    Args:
        provider: The provider.
        minimum: Weakest isolation that a runner must be capable of.

    Returns:
        What was seen, for the report; empty for a provider that can't be tried cheaply.

    Raises:
        ProviderError: It doesn't do what its contract says.
    """
    if isinstance(provider, StorageBackend):
        return await _storage(provider)
    if isinstance(provider, Cache):
        return await _cache(provider)
    if isinstance(provider, TestRunner):
        return await _runner(provider, minimum)
    return {}


async def _storage(storage: StorageBackend) -> Mapping[str, str]:
    content = b"computor doctor " + secrets.token_hex(16).encode()
    digest = hashlib.sha256(content).hexdigest()
    await storage.put(PutBlob(_chunks(content), sha256=digest))
    try:
        async with storage.open(OpenBlob(digest)) as chunks:
            back = b"".join([chunk async for chunk in chunks])
    finally:
        await storage.delete(digest)
    if back != content:
        raise ProviderError("what was read back isn't what was written")
    if await storage.stat(digest) is not None:
        raise ProviderError("a deleted blob is still there")
    return {"round trip": "written, read and deleted"}


async def _cache(cache: Cache) -> Mapping[str, str]:
    key, value = f"doctor:{secrets.token_hex(8)}", secrets.token_bytes(16)
    await cache.set(SetEntry(key, value, timedelta(seconds=30)))
    back = await cache.get(key)
    await cache.delete(key)
    if back != value:
        raise ProviderError("what was read back isn't what was written")
    return {"round trip": "written, read and deleted"}


async def _runner(runner: TestRunner, minimum: Isolation | Literal["auto"]) -> Mapping[str, str]:
    probe = await runner.probe()
    weak = shortfall(probe, minimum)
    if weak:
        raise ProviderError(weak, hint=HINT)
    facts = {
        "isolation": probe.isolation.value,
        "limits": ", ".join(f"{limit.value} {by.value}" for limit, by in probe.enforcement.items()),
        "toolchains": ", ".join(f"{name} {version}" for name, version in probe.toolchains.items()) or "none",
    }
    return facts | {f"no {level.value}": reason for level, reason in probe.refusals.items()}


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
