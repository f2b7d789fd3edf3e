"""What a new password must be (NIST SP 800-63B, section 3.1.1: length and a blocklist, no recipes)."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import re
import unicodedata

from computor_core.plugin_api.errors import FieldProblem, InvalidError

__all__ = ["LONGEST_BYTES", "check_password", "encoded"]

LONGEST_BYTES = 1024
"""Most bytes of a password; a longer one is refused whole, never cut."""

_SHORTEST_NAME_PART = 4
_FEWEST_DISTINCT = 5


def encoded(password: str) -> bytes | None:
    """The bytes of a password that are hashed: Unicode NFC (RFC 8265, 4.2), then UTF-8.

    Returns:
        The bytes, or None when it can't be a password: not encodable, or more than 1024 bytes.
    """
    try:
        raw = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        return None
    return raw if len(raw) <= LONGEST_BYTES else None


def check_password(password: str, *, minimum_length: int, email: str | None) -> bytes:
    """Check a new password and return the bytes to hash.

    Args:
        password: The new password.
        minimum_length: Fewest characters.
        email: The user's address, whose parts the password must not contain.

    Raises:
        InvalidError: It breaks the policy; each field problem's code names a rule.
    """
    raw = encoded(password)
    if raw is None:
        raise _invalid("too_long", f"a password has at most {LONGEST_BYTES} bytes of text")
    if len(password) < minimum_length:
        raise _invalid("too_short", f"a password has at least {minimum_length} characters")
    plain = _plain(password)
    if len(set(plain)) < _FEWEST_DISTINCT or _is_sequence(plain):
        raise _invalid("too_simple", "the password repeats or counts characters")
    if plain in _common() or _stem(plain) in _common():
        raise _invalid("common", "the password is among the first that attackers try")
    if any(part in plain for part in _name_parts(email)):
        raise _invalid("contains_email", "the password contains a part of the e-mail address")
    return raw


def _invalid(code: str, message: str) -> InvalidError:
    return InvalidError(
        "the password can't be used",
        hint="a sentence of several words is long and easy to keep in mind",
        fields=[FieldProblem("password", code, message)],
    )


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _stem(plain: str) -> str:
    """The password without the digits and signs that people hang on to a word."""
    return re.sub(r"[\d\W_]+$", "", re.sub(r"^[\d\W_]+", "", plain))


def _is_sequence(plain: str) -> bool:
    """Whether every character is the next, or the previous, of the one before ("3456789012")."""
    steps = {ord(other) - ord(one) for one, other in itertools.pairwise(plain)}
    if plain.isdecimal():
        # Nine is followed by zero when people count.
        steps = {step % 10 for step in steps}
        return steps in ({1}, {9})
    return steps in ({1}, {-1})


def _name_parts(email: str | None) -> set[str]:
    if not email:
        return set()
    local, _, domain = _plain(email).partition("@")
    parts = {local, domain, *re.split(r"[._+\-]+", local), *domain.split(".")}
    return {part for part in parts if len(part) >= _SHORTEST_NAME_PART}


@functools.cache
def _common() -> frozenset[str]:
    text = (importlib.resources.files(__package__) / "common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
