"""Built statements, kept: constructing one costs more than running it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Built = TypeVar("Built")


class StatementCache(Generic[Built]):
    """The most recently used built statements.

    Args:
        size: How many are kept.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Built] = OrderedDict()

    def get(self, key: Hashable, build: Callable[[], Built]) -> Built:
        """The statement for the key, built on the first use."""
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = build()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return kept
