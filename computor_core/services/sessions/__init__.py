"""Sessions, personal API tokens, and who stands behind a token."""

from computor_core.services.sessions.api_tokens import ApiTokenInfo, ApiTokenService, IssuedApiToken
from computor_core.services.sessions.credentials import Credential, CredentialStore
from computor_core.services.sessions.policy import SessionPolicy
from computor_core.services.sessions.service import (
    Device,
    IssuedSession,
    SessionInfo,
    SessionService,
)

__all__ = [
    "ApiTokenInfo",
    "ApiTokenService",
    "Credential",
    "CredentialStore",
    "Device",
    "IssuedApiToken",
    "IssuedSession",
    "SessionInfo",
    "SessionPolicy",
    "SessionService",
]
