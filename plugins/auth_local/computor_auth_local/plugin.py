"""The plugin's registrations."""

from __future__ import annotations

from typing import ClassVar

from computor_core.plugin_api import PluginMeta, hookimpl
from computor_core.plugin_api.registrations import AuthProviderRegistration, MigrationRegistration

__all__ = ["Plugin"]


class Plugin:
    """Registers the sign-in type ``local`` and its tables."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="auth_local",
        summary="Local accounts: Argon2id passwords with policy and lockout",
    )

    @hookimpl
    def computor_auth_providers(self) -> list[AuthProviderRegistration]:
        """Register the type."""
        return [
            AuthProviderRegistration(
                type="local",
                factory="computor_auth_local.provider:open_auth",
                summary="Passwords kept here, as Argon2id hashes",
                settings="computor_auth_local.settings:AuthLocalSettings",
                capabilities=frozenset({"password", "set_password"}),
            )
        ]

    @hookimpl
    def computor_migrations(self) -> list[MigrationRegistration]:
        """Register the tables of passwords and failed sign-ins."""
        return [
            MigrationRegistration(
                package="computor_auth_local.migrations",
                models="computor_auth_local.tables",
                after_core="0001",
            )
        ]
