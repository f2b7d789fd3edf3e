"""The folder for everything that a deployment keeps."""

from __future__ import annotations

import os
from pathlib import Path

from computor_core.errors import ConfigurationError

_FOLDERS = ("spool",)
"""Folders that core itself expects; plugins' instances get theirs when they are opened."""


def prepare_data_folder(path: Path) -> None:
    """Make the folder, private (0700), with what core expects in it.

    Raises:
        ConfigurationError: It can't be made or written to.
    """
    try:
        private_folder(path)
        for name in _FOLDERS:
            private_folder(path / name)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {path} can't be made: {error.strerror or error}",
            hint="data_dir names the folder; COMPUTOR_DATA_DIR sets it without a file",
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"the data folder {path} can't be written to", hint=f"give user {os.getuid()} the right to"
        )


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter; one that is there keeps its rights.

    Raises:
        OSError: It can't be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
