"""Installs missing Debian packages, where that is allowed."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.services.errors import ServiceError
from tools.services.execute import execute
from tools.services.pins import PackagePin

APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
APT_SECONDS = 900
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Written by tools.services while it installs packages.\nexit 101\n"


def install_packages(server: str, pin: PackagePin) -> None:
    """Install the packages of a server with apt-get, without starting the system's own daemon.

    Raises:
        ServiceError: Not root, no apt-get, or apt-get failed.
    """
    command = shlex.join(["apt-get", "install", *pin.packages])
    wanted = f"version {'.'.join(map(str, pin.minimum))} or later"
    if shutil.which("apt-get") is None:
        hint = f"install it with this system's own package manager ({wanted}), its programs on PATH"
        raise ServiceError(server, "install", "it is missing and there is no apt-get here", hint)
    if os.geteuid() != 0:
        hint = f"run as root: {command}   ({wanted})"
        raise ServiceError(server, "install", "it is missing and only root can install packages", hint)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    execute(server, "update package lists", [*APT, "update"], timeout=APT_SECONDS, env=env)
    with no_daemons():
        install = [*APT, "install", "--no-install-recommends", *pin.packages]
        execute(server, "install packages", install, timeout=APT_SECONDS, env=env)


@contextmanager
def no_daemons(policy: Path = POLICY) -> Iterator[None]:
    """Keep the packages' scripts from starting system services.

    ``policy-rc.d`` is Debian's interface for that (invoke-rc.d(8)): status 101 forbids every action. A policy
    that someone else wrote stays untouched.
    """
    if policy.exists() and policy.read_text() != POLICY_TEXT:
        yield
        return
    policy.write_text(POLICY_TEXT)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
