"""Running guarded work for a caller who may be remembered rather than proven.

A remembered principal costs no query. The statements of entity services prove it inside
themselves and raise when it no longer holds; then the credential is read once more and the work
repeated. Whoever was signed out meanwhile gets 401 from that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from computor_core.access.errors import StalePrincipalError
from computor_core.errors import AuthenticationError
from computor_core.plugin_api.principal import Principal, PrincipalKind
from computor_fastapi_host.context import HostRequest

__all__ = ["require_caller", "run_guarded"]

_T = TypeVar("_T")


async def run_guarded(request: HostRequest, work: Callable[[Principal], Awaitable[_T]]) -> _T:
    """Run work whose every statement proves its principal.

    Args:
        request: The request.
        work: Called with the caller; again with a fresh one when the first was stale.

    Raises:
        AuthenticationError: The credential doesn't hold (any more).
    """
    try:
        return await work(await request.recalled_principal())
    except StalePrincipalError:
        fresh = await request.reloaded_principal()
    return await work(fresh)


def require_caller(request: HostRequest, principal: Principal, action: str, endpoint: str) -> None:
    """Answer 401 rather than 404 to somebody who isn't signed in and could see nothing anyway.

    Raises:
        AuthenticationError: The caller is anonymous and no rule lets anonymous callers do this.
    """
    if principal.kind is not PrincipalKind.ANONYMOUS:
        return
    if request.app.access.select(principal, action, endpoint).empty:
        raise AuthenticationError("this needs somebody who is signed in", hint="sign in first")
