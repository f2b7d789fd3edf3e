"""Python values as JSON and back, without executing anything.

JSON's own types stand for themselves: null, booleans, integers, finite floats, strings and lists.
Everything else is an object with one key, the tag: ``{"tuple": […]}``, ``{"set": […]}``,
``{"frozenset": […]}``, ``{"dict": [[key, value], …]}``, ``{"bytes": "<hex>"}``,
``{"complex": [real, imaginary]}``, ``{"float": "nan" | "inf" | "-inf"}``, ``{"decimal": "…"}``,
``{"fraction": "…"}``. A value of any other type, a subclass among them, is ``{"other": ["type",
"repr"]}``: it can be shown, never compared. So no ``__eq__`` of a student's class ever takes part
in a comparison.

What is decoded may have been written by anybody, so decoding costs time in proportion to the text:
numbers have a limited number of digits, a fraction has no exponent, and whoever reads answers
decodes with ``hashed=False``, since integers can be chosen that all collide in a hash table.

Python 3.8 and the standard library are enough: the same file runs inside the sandbox.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

MAX_DEPTH = 100
MAX_ITEMS = 200_000
MAX_TEXT = 1_000_000
MAX_BITS = 10_000
_REPR = 200
_DIGITS = 3_011  # of an integer with MAX_BITS bits
_FRACTION = re.compile("-?[0-9]{1,3011}(/[0-9]{1,3011})?")
_DECIMAL = re.compile(r"-?[0-9]{1,3011}(\.[0-9]{1,3011})?(E[+-][0-9]{1,18})?")
_NO_DECIMALS = ("NaN", "Infinity", "-Infinity")
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


class Unhashed:
    """A set, frozenset or dictionary that was decoded without hashing any of its elements.

    Attributes:
        kind: ``set``, ``frozenset`` or ``dict``.
        items: The elements, or ``(key, value)`` pairs, by a text that tells the element or key apart
            from all others, its type included.
    """

    def __init__(self, kind: str, items: dict[str, object]) -> None:
        self.kind = kind
        self.items = items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind == "dict":
            pairs = [item for item in self.items.values() if isinstance(item, tuple)]
            return "{" + ", ".join(f"{key!r}: {value!r}" for key, value in pairs) + "}"
        if not self.items:
            return f"{self.kind}()"
        elements = "{" + ", ".join(map(repr, self.items.values())) + "}"
        return elements if self.kind == "set" else f"{self.kind}({elements})"


class _Budget:
    """How many items may still be met, and whether their elements may be hashed."""

    def __init__(self, *, hashed: bool = True) -> None:
        self.items = MAX_ITEMS
        self.hashed = hashed

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
        return _encode_exact(value)
    return {"other": [kind.__name__[:_REPR], _short_repr(value)]}


def _encode_exact(value: object) -> object:
    if isinstance(value, Decimal):
        if len(value.as_tuple().digits) > _DIGITS:
            raise EncodingError("the decimal has too many digits")
        return {"decimal": str(value)}
    assert isinstance(value, Fraction)  # noqa: S101 - it is one of the two
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise EncodingError("the fraction has too many digits")
    return {"fraction": str(value)}


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


def decode(data: object, *, hashed: bool = True) -> object:
    """Decode what :func:`encode` made.

    Args:
        data: JSON.
        hashed: Whether sets, frozensets and dictionaries are Python's own; else they come as
            :class:`Unhashed`, in time that no choice of elements can stretch.

    Raises:
        EncodingError: It isn't in the encoding, or too big.
    """
    return _decode(data, _Budget(hashed=hashed), 0)


def _decode(data: object, budget: _Budget, depth: int) -> object:
    budget.take(depth)
    if isinstance(data, int) and data.bit_length() > MAX_BITS:
        raise EncodingError("the integer is too big")
    if isinstance(data, str) and len(data) > MAX_TEXT:
        raise EncodingError("the text is too long")
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
        raise EncodingError(f"not an encoded {str(tag)[:_REPR]}") from error


def _decode_tagged(tag: str, content: object, budget: _Budget, depth: int) -> object:
    if tag in ("float", "bytes", "decimal", "fraction"):
        if not isinstance(content, str) or len(content) > 2 * MAX_TEXT:
            raise EncodingError(f"not an encoded {tag}")
        return _decode_text(tag, content)
    if not isinstance(content, list):
        raise EncodingError(f"not an encoded {tag[:_REPR]}")
    if tag == "dict":
        pairs = [tuple(_decode(part, budget, depth + 1) for part in pair) for pair in content]
        if budget.hashed:
            return {key: item for key, item in pairs}  # noqa: C416 - pairs of another length are refused
        return Unhashed(tag, {_text_of(key): (key, item) for key, item in pairs})
    if tag == "other":
        type_name, text = content
        return Other(str(type_name), str(text))
    items = [_decode(item, budget, depth + 1) for item in content]
    if tag == "complex":
        real, imaginary = items
        if not isinstance(real, (int, float)) or not isinstance(imaginary, (int, float)):
            raise EncodingError("not an encoded complex")
        return complex(real, imaginary)
    if tag == "tuple":
        return tuple(items)
    if tag not in ("set", "frozenset"):
        raise EncodingError("not an encoded value")
    if not budget.hashed:
        return Unhashed(tag, {_text_of(item): item for item in items})
    return set(items) if tag == "set" else frozenset(items)


def _decode_text(tag: str, content: str) -> object:
    if tag == "bytes":
        return bytes.fromhex(content)
    if tag == "decimal" and (content in _NO_DECIMALS or _DECIMAL.fullmatch(content)):
        return Decimal(content)
    if tag == "fraction" and _FRACTION.fullmatch(content):
        return Fraction(content)
    if tag == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    raise EncodingError(f"not an encoded {tag}")


def _text_of(value: object) -> str:
    """A text that two values share when they are of the same type and equal, and only then.

    Raises:
        EncodingError: Values of its type can't be elements of a set.
    """
    kind = type(value).__name__
    if isinstance(value, tuple):
        parts = [_text_of(item) for item in value]
    elif isinstance(value, Unhashed) and value.kind == "frozenset":
        kind, parts = value.kind, sorted(value.items)
    elif isinstance(value, complex):
        return f"{kind}:{value.real + 0.0!r},{value.imag + 0.0!r}"
    elif isinstance(value, float):
        return f"{kind}:{value + 0.0!r}"  # which makes 0.0 of -0.0
    elif isinstance(value, Decimal):
        return f"{kind}:{_plain_decimal(value)}"
    elif value is None or isinstance(value, (bool, int, str, bytes, Fraction)):
        return f"{kind}:{value!r}"
    else:
        raise EncodingError("a list, set or dictionary is no element of a set and no key")
    return f"{kind}:" + "".join(f"{len(part)}:{part}" for part in parts)


def _plain_decimal(value: Decimal) -> str:
    """The same text for 1, 1.0 and 10E-1; context precision would round, so by its digits."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return str(value)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"
    kept = text.rstrip("0")
    return f"{'-' if sign else ''}{kept}E{exponent + len(text) - len(kept)}"
