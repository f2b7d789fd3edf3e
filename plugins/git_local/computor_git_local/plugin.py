"""The plugin's registrations."""

from __future__ import annotations

from typing import ClassVar

from computor_core.plugin_api import PluginMeta, hookimpl
from computor_core.plugin_api.registrations import GitHostRegistration, RouterRegistration

__all__ = ["Plugin"]


class Plugin:
    """Registers the git host type ``local`` and its smart HTTP service."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="git_local",
        summary="Bare git repositories on the server's own disk, served over smart HTTP",
    )

    @hookimpl
    def computor_git_hosts(self) -> list[GitHostRegistration]:
        """Register the type."""
        return [
            GitHostRegistration(
                type="local",
                factory="computor_git_local.host:open_host",
                summary="Bare repositories under the deployment's data folder",
                settings="computor_git_local.settings:GitLocalSettings",
                capabilities=frozenset({"fork", "smart_http"}),
            )
        ]

    @hookimpl
    def computor_routers(self) -> list[RouterRegistration]:
        """Register the service; git clients sign in by themselves, with HTTP Basic."""
        return [
            RouterRegistration(
                name="git",
                target="computor_git_local.http:create_app",
                access="own",
                kind="asgi",
                mount="/git",
            )
        ]
