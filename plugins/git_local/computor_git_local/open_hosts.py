"""Which hosts are open, so that the smart HTTP service finds those of its own application.

The service and the hosts are made apart: the hosts by the provider seam, one per instance, the
service by the router seam. What they share is the application's ``AppContext.services``, by whose
identity they find each other; two applications in one process never see each other's hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from computor_core.plugin_api.services import CoreServices
    from computor_git_local.host import LocalGitHost

__all__ = ["entered", "find_host"]

_open: list[LocalGitHost] = []


@contextmanager
def entered(host: LocalGitHost) -> Iterator[None]:
    """Make a host known while the block runs."""
    _open.append(host)
    try:
        yield
    finally:
        _open.remove(host)


def find_host(services: CoreServices, instance: str) -> LocalGitHost | None:
    """The open host of an application's instance."""
    for host in _open:
        if host.context.services is services and host.context.instance == instance:
            return host
    return None
