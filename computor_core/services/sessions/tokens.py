"""Secrets that prove a caller: how they are made, recognised and kept.

A token is 256 random bits behind a prefix that says what it is (and lets secret scanners find a
leaked one). Only its SHA-256 is stored: with that much entropy a fast hash is as good as a slow
one, and a look-up by hash leaks nothing through its timing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

SESSION_PREFIX = "cts_"
API_TOKEN_PREFIX = "ctp_"  # noqa: S105 - what tokens begin with, not a token

_SHAPE = re.compile(r"ct[sp]_[A-Za-z0-9_-]{43}")
_SHOWN_CHARACTERS = 4


def new_session_token() -> str:
    """A new session token."""
    return SESSION_PREFIX + secrets.token_urlsafe(32)


def new_api_token() -> str:
    """A new personal API token."""
    return API_TOKEN_PREFIX + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether a text has the shape of one of our tokens; says nothing about its validity."""
    return _SHAPE.fullmatch(text) is not None


def is_api_token(token: str) -> bool:
    """Whether a well-formed token is a personal API token (else it is a session's)."""
    return token.startswith(API_TOKEN_PREFIX)


def token_hash(token: str) -> str:
    """What is stored of a token: its SHA-256 in hexadecimal, 64 characters."""
    return hashlib.sha256(token.encode()).hexdigest()


def shown_prefix(api_token: str) -> str:
    """The beginning by which an owner recognises an API token in a list."""
    return api_token[: len(API_TOKEN_PREFIX) + _SHOWN_CHARACTERS]


def csrf_token(session_token: str) -> str:
    """The anti-forgery token that belongs to a session token.

    It is a keyed digest (HMAC-SHA256) of the session token, so a page can be told it again after
    a reload without a second secret being kept, and knowing it doesn't give the session away.
    """
    digest = hmac.digest(session_token.encode(), b"computor csrf v1", "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def equal(one: str, other: str) -> bool:
    """Whether two ASCII texts are equal, compared in constant time."""
    return hmac.compare_digest(one, other)


def same_hash(text: str, expected_hash: str) -> bool:
    """Whether a secret's hash is the expected one, compared in constant time."""
    return hmac.compare_digest(token_hash(text), expected_hash)
