"""The folder where slow builds are kept, and the way they get there whole or not at all."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.services.errors import ServiceError


def cache_folder() -> Path:
    """Return ``${XDG_CACHE_HOME:-~/.cache}/computor/services``, which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and to be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "computor" / "services"


def cached_folder(name: str, pin: str) -> Path:
    """Return the folder that holds, or will hold, the build of ``name`` at ``pin``."""
    return cache_folder() / f"{name}-{pin}"


def build_once(name: str, pin: str, build: Callable[[Path], None]) -> Path:
    """Return the cached build of ``name`` at ``pin``, building it first where it is missing.

    ``build`` fills a temporary folder beside the final one. It is renamed into place only when ``build``
    returns, so the final folder is complete whenever it exists. Two processes build one after the other.

    Args:
        name: What is built.
        pin: The version, part of the folder's name.
        build: Fills the folder it is given, or raises.

    Raises:
        ServiceError: The cache folder can't be written; ``build`` raises its own.
    """
    final = cached_folder(name, pin)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(final.parent / f".{name}-{pin}.lock"):
            if final.is_dir():
                return final
            prefix = f".{name}-{pin}.part-"
            # The lock is ours, so whatever lies there is the remains of a build that was killed.
            for remains in final.parent.glob(f"{prefix}*"):
                shutil.rmtree(remains)
            part = Path(tempfile.mkdtemp(prefix=prefix, dir=final.parent))
            try:
                build(part)
                part.chmod(0o755)
                part.rename(final)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    except OSError as error:
        raise ServiceError(name, "write the cache", str(error)) from error
    return final


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
