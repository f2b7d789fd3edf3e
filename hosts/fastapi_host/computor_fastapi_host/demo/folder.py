"""The demo's data folder: taken for one run, and emptied of an earlier one only."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from computor_core.errors import UsageError

SETTINGS = "computor.toml"
"""The host's settings file, which is also the mark of a folder that the demo may empty."""

MARK = "# The demo's settings come from its environment.\n"
"""What that file holds."""


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Make a folder, or empty it of an earlier demo, and keep other demos off it in the block.

    Raises:
        UsageError: It holds something that no demo made, or a running demo; nothing was touched.
        OSError: It can't be made, read or emptied.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = folder / SETTINGS
    if any(folder.iterdir()) and not _is_mark(settings):
        raise UsageError(
            f"{folder} isn't empty, and what is in it wasn't made by the demo",
            hint="choose a new or empty folder with --folder; the demo empties its folder at its start",
        )
    with settings.open("a+") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another demo runs in {folder}", hint="end it first, or choose another with --folder"
            ) from error
        # The mark stays all the time, so that a folder that was emptied by half can be emptied again.
        mark.truncate(0)
        mark.write(MARK)
        mark.flush()
        for item in folder.iterdir():
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item)
            elif item.name != SETTINGS:
                item.unlink()
        yield


def _is_mark(settings: Path) -> bool:
    return settings.is_file() and not settings.is_symlink() and settings.read_bytes() == MARK.encode()
