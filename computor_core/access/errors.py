"""Errors that only access raises."""

from __future__ import annotations

from computor_core.errors import AuthenticationError


class StalePrincipalError(AuthenticationError):
    """The credential was revoked or has expired, or the caller's grants changed meanwhile.

    Whoever holds a cached principal resolves the credential once more and repeats the request;
    when that fails, too, nobody is signed in.
    """

    code = "stale_principal"
    internal_code = 40110
