"""Import strings: how registrations name code without loading it, and what comes of loading it."""

from __future__ import annotations

import importlib
import inspect
import traceback
from pathlib import Path

_CORE = str(Path(__file__).parent)


def load_target(target: str) -> object:
    """What an import string ``"package.module:attribute"`` names.

    Raises:
        ValueError: The string is malformed.
        ImportError: The module can't be imported.
        AttributeError: It has no such attribute.
    """
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise ValueError(f"{target!r} isn't of the form 'package.module:attribute'")
    value: object = importlib.import_module(module)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value


def require_call(
    value: object, target: str, count: int, named: tuple[str, ...] = (), *, is_async: bool = False
) -> None:
    """Refuse what can't be called as its registration says.

    Args:
        value: What ``target`` led to.
        target: The import string, for messages.
        count: How many positional arguments it gets.
        named: Names of the keyword arguments that it gets.
        is_async: Whether it must be ``async def``.

    Raises:
        TypeError: It can't be called, not with these arguments, or isn't ``async def``.
    """
    if not callable(value):
        raise TypeError(f"{target} can't be called")
    whole = inspect.unwrap(value)
    called = getattr(type(whole), "__call__", None)  # noqa: B004 - the method that runs, not whether there is one
    if is_async and not (inspect.iscoroutinefunction(whole) or inspect.iscoroutinefunction(called)):
        raise TypeError(f"{target} isn't async def")
    try:
        signature = inspect.signature(value)
    except ValueError:  # what is built in may not tell
        return
    try:
        signature.bind(*range(count), **dict.fromkeys(named))
    except TypeError as error:
        given = f"{count} arguments" if not named else f"{count} arguments and {', '.join(named)}"
        raise TypeError(f"{target} is called with {given}, and doesn't take them: {error}") from error


def raised(error: BaseException) -> str:
    """What a plugin's own code raised, on one line, with the place there where it did."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", _CORE))
        and not Path(frame.filename).parent.name.startswith("importlib")
    ]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}{where}" if said else f"{type(error).__name__}{where}"
