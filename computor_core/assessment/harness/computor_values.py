"""Python values as JSON and back, without executing anything.

JSON's own types stand for themselves: null, booleans, integers, finite floats, strings and lists.
Everything else is an object with one key, the tag: ``{"tuple": […]}``, ``{"set": […]}``,
``{"frozenset": […]}``, ``{"dict": [[key, value], …]}``, ``{"bytes": "<hex>"}``,
``{"complex": [real, imaginary]}``, ``{"float": "nan" | "inf" | "-inf"}``, ``{"decimal": "…"}``,
``{"fraction": "…"}``. A value of any other type, a subclass among them, is ``{"other": ["type",
"repr"]}``: it can be shown, never compared. So no ``__eq__`` of a student's class ever takes part
in a comparison.

Python 3.8 and the standard library are enough: the same file runs inside the sandbox.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

MAX_DEPTH = 100
MAX_ITEMS = 200_000
MAX_TEXT = 1_000_000
MAX_BITS = 10_000
_REPR = 200
_CONTAINERS = (dict, list, tuple, set, frozenset)


class EncodingError(Exception):
    """A value is too deep or too big, or JSON isn't in this encoding."""


class Other:
    """A decoded value of a type that has no encoding: equal to nothing, itself included."""

    def __init__(self, type_name: str, text: str) -> None:
        self.type_name = type_name
        self.text = text

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return self.text


class _Budget:
    """How many items may still be met."""

    def __init__(self) -> None:
        self.items = MAX_ITEMS

    def take(self, depth: int) -> None:
        self.items -= 1
        if self.items < 0 or depth > MAX_DEPTH:
            raise EncodingError("the value is too big or too deeply nested")


def encode(value: object) -> object:
    """Encode a value.

    Raises:
        EncodingError: It is too big or too deeply nested (a list that contains itself is).
    """
    return _encode(value, _Budget(), 0)


def _encode(value: object, budget: _Budget, depth: int) -> object:
    budget.take(depth)
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind in _CONTAINERS:
        return _encode_container(value, budget, depth + 1)
    if isinstance(value, int) and kind is int:
        if value.bit_length() > MAX_BITS:
            raise EncodingError("the integer is too big")
        return value
    if isinstance(value, str) and kind is str:
        if len(value) > MAX_TEXT:
            raise EncodingError("the text is too long")
        return value
    if isinstance(value, float) and kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, complex) and kind is complex:
        return {"complex": [_encode(part, budget, depth + 1) for part in (value.real, value.imag)]}
    if isinstance(value, (bytes, bytearray)) and kind in (bytes, bytearray):
        return {"bytes": value.hex()}
    if kind in (Decimal, Fraction):
        return {kind.__name__.lower(): str(value)}
    return {"other": [kind.__name__[:_REPR], _short_repr(value)]}


def _encode_container(value: object, budget: _Budget, depth: int) -> object:
    if isinstance(value, dict):
        pairs = list(value.items())
        return {"dict": [[_encode(part, budget, depth) for part in pair] for pair in pairs]}
    assert isinstance(value, (list, tuple, set, frozenset))  # noqa: S101 - these are the containers
    items = [_encode(item, budget, depth) for item in list(value)]
    return items if isinstance(value, list) else {type(value).__name__: items}


def _short_repr(value: object) -> str:
    try:
        return repr(value)[:_REPR]
    except Exception as error:  # noqa: BLE001 - any student's __repr__ may do anything; only shown
        return f"<its repr raised {type(error).__name__}>"


def decode(data: object) -> object:
    """Decode what :func:`encode` made.

    Raises:
        EncodingError: It isn't in the encoding, or too big.
    """
    return _decode(data, _Budget(), 0)


def _decode(data: object, budget: _Budget, depth: int) -> object:
    budget.take(depth)
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if isinstance(data, list):
        return [_decode(item, budget, depth + 1) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise EncodingError("not an encoded value")
    ((tag, content),) = data.items()
    try:
        return _decode_tagged(str(tag), content, budget, depth)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise EncodingError(f"not an encoded {tag}") from error


def _decode_tagged(tag: str, content: object, budget: _Budget, depth: int) -> object:
    if tag in ("float", "bytes", "decimal", "fraction"):
        if not isinstance(content, str) or len(content) > 2 * MAX_TEXT:
            raise EncodingError(f"not an encoded {tag}")
        return _decode_text(tag, content)
    if not isinstance(content, list):
        raise EncodingError(f"not an encoded {tag}")
    if tag == "dict":
        pairs = [[_decode(part, budget, depth + 1) for part in pair] for pair in content]
        return {key: item for key, item in pairs}  # noqa: C416 - pairs of another length are refused
    if tag == "other":
        type_name, text = content
        return Other(str(type_name), str(text))
    items = [_decode(item, budget, depth + 1) for item in content]
    if tag == "complex":
        real, imaginary = (float(part) for part in items)  # type: ignore[arg-type]
        return complex(real, imaginary)
    makers = {"tuple": tuple, "set": set, "frozenset": frozenset}
    if tag not in makers:
        raise EncodingError("not an encoded value")
    return makers[tag](items)


def _decode_text(tag: str, content: str) -> object:
    if tag == "bytes":
        return bytes.fromhex(content)
    if tag == "decimal":
        return Decimal(content)
    if tag == "fraction":
        return Fraction(content) if len(content) <= 10_000 else Other("Fraction", content[:_REPR])
    if content not in ("nan", "inf", "-inf"):
        raise EncodingError("not an encoded float")
    return float(content)
