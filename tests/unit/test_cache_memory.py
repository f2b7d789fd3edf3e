"""What the in-memory cache promises beyond the contract: bounds, and tags that are forgotten."""

from datetime import timedelta

import pytest

from computor_core.cache.memory import MemoryCache, MemoryCacheSettings
from computor_core.plugin_api.providers.cache import ComputeEntry, Increment, SetEntry

LONG = timedelta(hours=1)


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def cache_of(clock: Clock | None = None, **settings: int) -> MemoryCache:
    return MemoryCache(MemoryCacheSettings(**settings), clock or Clock())


async def test_the_least_recently_used_entry_goes_first() -> None:
    cache = cache_of(max_entries=2)
    for key in ("a", "b"):
        await cache.set(SetEntry(key, key.encode(), LONG))
    await cache.get("a")
    await cache.set(SetEntry("c", b"c", LONG))
    assert [await cache.get(key) for key in ("a", "b", "c")] == [b"a", None, b"c"]


async def test_bytes_are_bounded() -> None:
    cache = cache_of(max_bytes=10)
    for key in ("a", "b", "c"):
        await cache.set(SetEntry(key, b"12345", LONG))
    assert [await cache.get(key) for key in ("a", "b", "c")] == [None, b"12345", b"12345"]


async def test_what_is_larger_than_the_cache_isnt_kept_and_drops_nothing() -> None:
    cache = cache_of(max_bytes=10)
    await cache.set(SetEntry("small", b"1", LONG))
    await cache.set(SetEntry("large", b"x" * 11, LONG))
    assert [await cache.get("small"), await cache.get("large")] == [b"1", None]


async def test_replacing_an_entry_gives_its_bytes_back() -> None:
    cache = cache_of(max_bytes=10)
    for _ in range(5):
        await cache.set(SetEntry("a", b"12345678", LONG))
    await cache.set(SetEntry("b", b"12", LONG))
    assert [await cache.get("a"), await cache.get("b")] == [b"12345678", b"12"]


async def test_an_entry_ends_with_its_last_moment() -> None:
    clock = Clock()
    cache = cache_of(clock)
    await cache.set(SetEntry("a", b"a", timedelta(seconds=5)))
    clock.now += 4.999
    assert await cache.get("a") == b"a"
    clock.now += 0.001
    assert await cache.get("a") is None


async def test_a_window_is_fixed_at_its_first_increment() -> None:
    clock = Clock()
    cache = cache_of(clock)
    window = timedelta(seconds=10)
    assert (await cache.increment(Increment("a", window))).resets_in == window
    clock.now += 9
    second = await cache.increment(Increment("a", window))
    assert (second.value, second.resets_in) == (2, timedelta(seconds=1))
    clock.now += 1
    assert (await cache.increment(Increment("a", window))).value == 1


async def test_counters_whose_window_ended_are_swept() -> None:
    clock = Clock()
    cache = cache_of(clock, max_entries=10)
    for number in range(50):
        await cache.increment(Increment(str(number), timedelta(seconds=5)))
    clock.now += 6
    await cache.increment(Increment("last", timedelta(seconds=5)))
    assert len(cache._counters) == 1


async def test_forgetting_a_tag_never_brings_an_entry_back() -> None:
    """Tags are bounded as well; entries of a forgotten one miss, at worst."""
    cache = cache_of(max_entries=5)
    await cache.set(SetEntry("a", b"old", LONG, frozenset({"tag"})))
    await cache.invalidate("tag")
    for number in range(20):
        await cache.invalidate(f"other-{number}")
    assert await cache.get("a") is None
    assert len(cache._versions) == 5


async def test_what_is_computed_while_its_tag_is_forgotten_isnt_served() -> None:
    cache = cache_of(max_entries=5)

    async def compute() -> bytes:
        await cache.invalidate("tag")
        for number in range(20):
            await cache.invalidate(f"other-{number}")
        return b"from old data"

    await cache.get_or_compute(ComputeEntry("a", LONG, frozenset({"tag"})), compute)
    assert await cache.get("a") is None


async def test_nothing_is_left_of_a_computation() -> None:
    cache = cache_of()

    async def compute() -> bytes:
        return b"value"

    async def fail() -> bytes:
        raise LookupError("nothing there")

    await cache.get_or_compute(ComputeEntry("a", LONG), compute)
    with pytest.raises(LookupError):
        await cache.get_or_compute(ComputeEntry("b", LONG), fail)
    assert cache._computing == {}


async def test_health_says_how_full_it_is() -> None:
    cache = cache_of()
    await cache.set(SetEntry("a", b"12345", LONG))
    assert (await cache.health()).facts == {"entries": "1", "bytes": "5"}


@pytest.mark.parametrize("wrong", [{"max_entries": 0}, {"max_bytes": 0}, {"unknown": 1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        MemoryCacheSettings(**wrong)
