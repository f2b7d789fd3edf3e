"""Who calls: the credential in a request, and the rule against forged requests.

A client sends ``Authorization: Bearer …``, the page a cookie; the header wins when there are
both. A token in the address is looked for nowhere. A change that is asked for by cookie must
carry the session's anti-forgery token in a header, which no other site can read or set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from computor_core.errors import AuthenticationError
from computor_core.plugin_api.principal import Principal
from computor_fastapi_host.cookies import CSRF_HEADER, cookie_rule
from computor_fastapi_host.errors import CsrfError

if TYPE_CHECKING:
    from computor_core.services.sessions import Credential
    from computor_fastapi_host.context import HostRequest

__all__ = ["Presented", "presented"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ANONYMOUS = Principal.anonymous()


@dataclass(frozen=True, slots=True)
class Presented:
    """What came with a request to prove its caller.

    Attributes:
        token: The session or API token, None for an anonymous request.
        by_cookie: Whether a browser sent it by itself.
    """

    token: str | None = None
    by_cookie: bool = False

    async def credential(self, request: HostRequest) -> Credential | None:
        """The credential, proven live by the database now; None for an anonymous request.

        Raises:
            AuthenticationError: It doesn't hold.
            CsrfError: It is a cookie and the request isn't proven to be the page's own.
        """
        if self.token is None:
            return None
        return self._unforged(request, await request.app.services.sessions.credentials.prove(self.token))

    async def prove(self, request: HostRequest) -> Principal:
        """The caller, proven live by the database now; raises as :meth:`credential`."""
        credential = await self.credential(request)
        return _ANONYMOUS if credential is None else credential.principal

    async def recall(self, request: HostRequest) -> Principal:
        """The caller, possibly from memory and unproven; raises as :meth:`credential`."""
        if self.token is None:
            return _ANONYMOUS
        credential = await request.app.services.sessions.credentials.recall(self.token)
        return self._unforged(request, credential).principal

    async def reload(self, request: HostRequest) -> Principal:
        """The caller, read from the database again; raises as :meth:`credential`."""
        if self.token is None:
            return _ANONYMOUS
        credential = await request.app.services.sessions.credentials.load(self.token)
        return self._unforged(request, credential).principal

    def _unforged(self, request: HostRequest, credential: Credential) -> Credential:
        if self.by_cookie and request.method not in _SAFE_METHODS:
            if credential.csrf_hash is None:
                raise AuthenticationError("API tokens aren't accepted as cookies")
            if not credential.csrf_matches(request.headers.get(CSRF_HEADER)):
                raise CsrfError(
                    "the anti-forgery token is missing or wrong",
                    hint=f"send the session's csrf_token in the header {CSRF_HEADER}",
                )
        return credential


def presented(headers: Headers, public_url: str) -> Presented:
    """What came with a request to prove its caller.

    Raises:
        AuthenticationError: The ``Authorization`` header can't be understood.
    """
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthenticationError(
                "the Authorization header isn't understood", hint="send Authorization: Bearer <token>"
            )
        return Presented(token.strip())
    rule = cookie_rule(public_url)
    cookie = headers.get("cookie")
    if rule is None or cookie is None:
        return Presented()
    found = rule.find(cookie)
    return Presented(found, by_cookie=True) if found else Presented()
