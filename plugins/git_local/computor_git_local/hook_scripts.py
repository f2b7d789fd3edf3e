"""Our hooks: copied out of the package at start, because a wheel doesn't keep "executable"."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from importlib import resources
from pathlib import Path

from computor_core.plugin_api.errors import ConfigurationError

__all__ = ["install_hooks"]

_NAMES = ("post-receive", "pre-receive", "update")


def install_hooks(root: Path) -> Path:
    """Write the hooks to ``<root>/hooks/<digest>`` and prove that they run.

    git skips a hook that it can't execute without an error, so a folder on a ``noexec`` mount
    would let every push pass; hence the proof.

    Args:
        root: The instance's folder.

    Returns:
        The folder for ``core.hooksPath``.

    Raises:
        ConfigurationError: The hooks can't be executed there.
    """
    source = resources.files("computor_git_local") / "hooks"
    scripts = {name: (source / name).read_bytes() for name in _NAMES}
    digest = hashlib.sha256(b"\0".join(scripts[name] for name in _NAMES)).hexdigest()[:16]
    folder = root / "hooks" / digest
    if not folder.is_dir():
        _write(scripts, folder)
    try:
        proof = subprocess.run(
            [folder / "pre-receive", "--self-test"], capture_output=True, text=True, check=False, env={}
        )
        works = proof.stdout == "works\n"
    except OSError:
        works = False
    if not works:
        raise ConfigurationError(
            f"The hooks in {folder} can't be executed.",
            hint="data_dir must not lie on a file system mounted with noexec, and /bin/sh must exist.",
        )
    return folder


def _write(scripts: dict[str, bytes], folder: Path) -> None:
    staged = folder.with_name(f".{secrets.token_hex(8)}")
    staged.mkdir(mode=0o700, parents=True)
    try:
        for name, script in scripts.items():
            path = staged / name
            path.write_bytes(script)
            path.chmod(0o500)
        try:
            staged.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
