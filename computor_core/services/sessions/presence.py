"""What managing sessions and tokens takes: a person, in a session that is still live."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from computor_core.access.errors import StalePrincipalError
from computor_core.errors import AuthenticationError, ForbiddenError

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import ReadUnit
    from computor_core.plugin_api.principal import Principal


def refused() -> AuthenticationError:
    """The one answer to every credential that doesn't hold."""
    return AuthenticationError("the sign-in is missing, has expired or was revoked", hint="sign in again")


def in_session(principal: Principal) -> tuple[UUID, UUID]:
    """Ids of the user and the session of a caller.

    Raises:
        ForbiddenError: The caller isn't a person in a session.
    """
    if principal.user_id is None or principal.session_id is None:
        raise ForbiddenError(
            "sessions and tokens are managed in a session",
            hint="sign in; an API token doesn't reach them",
        )
    return principal.user_id, principal.session_id


def refuse_api_token(principal: Principal) -> None:
    """Require that the caller didn't come with an API token.

    Raises:
        ForbiddenError: It did.
    """
    if principal.api_token_id is not None or principal.scopes is not None:
        raise ForbiddenError("an API token sets no credentials", hint="sign in and do it in the session")


async def require_live(app: Computor, work: ReadUnit) -> None:
    """Require that the caller's session is live, in this very unit.

    Raises:
        StalePrincipalError: It isn't, or the caller's grants changed since it was resolved.
    """
    if not await app.access.still_valid(work):
        raise StalePrincipalError("the sign-in is no longer valid")
