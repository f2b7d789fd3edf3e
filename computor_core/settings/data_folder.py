"""The folder for everything that a deployment keeps."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from computor_core.errors import ConfigurationError

_log = logging.getLogger(__name__)

FOLDERS = ("spool",)
"""Folders that core itself expects; plugins' instances get theirs when they are opened."""


def prepare_data_folder(path: Path) -> None:
    """Make the folder, private (0700), with what core expects in it.

    A folder that is there and lets other users in is closed to them: it holds keys, submissions
    and tests. The log says so.

    Raises:
        ConfigurationError: It can't be made, written to or closed to others.
    """
    private_folder(path)
    _close_to_others(path)
    for name in FOLDERS:
        private_folder(path / name)


def _close_to_others(path: Path) -> None:
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    try:
        path.chmod(mode & stat.S_IRWXU)
    except PermissionError as error:
        raise ConfigurationError(
            f"the data folder {path} can't be closed to other users (mode {mode:04o}): it isn't ours",
            hint=f"its owner (user {status.st_uid}) closes it with chmod 700; or name a folder below it"
            " that isn't there yet, which is made private",
        ) from error
    _log.warning(
        "other users could enter the data folder %s (mode %04o); it is closed to them now", path, mode
    )


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter; one that is there keeps its rights.

    Raises:
        ConfigurationError: It can't be made or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {path} can't be made: {error.strerror or error}",
            hint="data_dir names the folder for everything; COMPUTOR_DATA_DIR sets it without a file",
        ) from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"the data folder {path} can't be written to", hint=f"give user {os.geteuid()} the right to"
        )
    return path
