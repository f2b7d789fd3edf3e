"""The session cookie of the page, and when there may be one.

Over HTTPS the cookie is called ``__Host-computor``: browsers then refuse it unless it is
``Secure``, has no ``Domain`` and the path ``/`` (RFC 6265bis, 4.1.3.2), so no neighbouring host
can plant one. On the machine itself (``http://localhost`` and loopback addresses) there is no
network to listen on; the cookie is called ``computor`` there and isn't ``Secure``, since not all
browsers send ``Secure`` cookies to ``http://localhost``. Any other plain HTTP address gets no
cookie at all.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

__all__ = ["CSRF_HEADER", "CookieRule", "cookie_rule"]

CSRF_HEADER = "x-csrf-token"
"""Header that carries the anti-forgery token of a change made by cookie."""


@dataclass(frozen=True, slots=True)
class CookieRule:
    """How the session cookie looks at an address.

    Attributes:
        name: The cookie's name.
        secure: Whether it is sent over HTTPS alone.
    """

    name: str
    secure: bool

    def find(self, header: str) -> str | None:
        """The cookie's value in a ``Cookie`` header, or None."""
        for pair in header.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals and name == self.name:
                return value
        return None

    def set_header(self, token: str, *, seconds: int) -> str:
        """The ``Set-Cookie`` header for a new session."""
        return self._header(token, seconds)

    def clear_header(self) -> str:
        """The ``Set-Cookie`` header that removes the cookie."""
        return self._header("", 0)

    def _header(self, value: str, seconds: int) -> str:
        cookie: SimpleCookie = SimpleCookie()
        cookie[self.name] = value
        morsel = cookie[self.name]
        morsel["path"] = "/"
        morsel["max-age"] = str(seconds)
        morsel["httponly"] = True
        morsel["samesite"] = "Lax"
        if self.secure:
            morsel["secure"] = True
        return morsel.OutputString()


@functools.lru_cache(maxsize=16)
def cookie_rule(public_url: str) -> CookieRule | None:
    """How the session cookie looks under a public address; None where there may be none."""
    parts = urlsplit(public_url)
    if parts.scheme == "https":
        return CookieRule("__Host-computor", secure=True)
    return CookieRule("computor", secure=False) if _is_loopback(parts.hostname or "") else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
