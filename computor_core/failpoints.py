"""Named places at which a test can kill the process.

A failpoint does nothing unless ``COMPUTOR_FAILPOINT`` names it: ``name`` kills at the first
pass, ``name:3`` at the third. Killing is ``SIGKILL`` to the own process, so no handler, no
``finally`` and no flush runs, as when the machine loses power. This is the one place outside
``settings`` that reads the environment; production deployments never set the variable.
"""

from __future__ import annotations

import os
import signal

_wanted, _, _count = os.environ.get("COMPUTOR_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    """Kill the own process if the environment asks for it at this place.

    Args:
        name: Dotted name of the place, ``"<part>.<moment>"`` (``"outbox.before_dispatch"``).
    """
    global _left
    if name != _wanted:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
