"""What is written down about started servers, so that a later call can stop them."""

import json
import os
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tools.services.cache import cache_folder
from tools.services.errors import ServiceError
from tools.services.process import Process
from tools.services.server import Running

BY_HAND = "by-hand"


@dataclass
class Record:
    """One set of servers.

    Attributes:
        path: The file this is kept in.
        folder: The folder that holds their data folders.
        owner: The process that stops them at its end; None for servers started by hand.
        servers: The servers, in start order.
    """

    path: Path
    folder: Path
    owner: Process | None
    servers: list[Running] = field(default_factory=list)

    def save(self) -> None:
        """Write the record, replacing an earlier one whole.

        Raises:
            ServiceError: It can't be written.
        """
        content = {
            "folder": str(self.folder),
            "owner": None if self.owner is None else [self.owner.pid, self.owner.started],
            "servers": [
                {
                    "server": running.server,
                    "process": [running.process.pid, running.process.started],
                    "stop_signal": running.stop_signal.name,
                    "port": running.port,
                    "log": str(running.log),
                    "environment": dict(running.environment),
                }
                for running in self.servers
            ],
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
                json.dump(content, file, indent=1)
            Path(file.name).replace(self.path)
        except OSError as error:
            raise ServiceError("services", f"write {self.path}", str(error)) from error


def records_folder() -> Path:
    """Return the folder of the records, which may not exist yet."""
    return cache_folder() / "running"


def record_path(name: str) -> Path:
    """Return the file of the record of that name."""
    return records_folder() / f"{name}.json"


def read_record(path: Path) -> Record | None:
    """Read a record; None where there is none.

    Raises:
        ServiceError: The file can't be read or makes no sense.
    """
    try:
        content = json.loads(path.read_text())
        owner = content["owner"]
        return Record(
            path=path,
            folder=Path(content["folder"]),
            owner=None if owner is None else Process(*owner),
            servers=[
                Running(
                    server=entry["server"],
                    process=Process(*entry["process"]),
                    stop_signal=signal.Signals[entry["stop_signal"]],
                    port=entry["port"],
                    log=Path(entry["log"]),
                    environment=entry["environment"],
                )
                for entry in content["servers"]
            ],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "stop the servers it names by hand, then remove it"
        raise ServiceError("services", f"read {path}", f"{type(error).__name__}: {error}", hint) from error


def abandoned_records() -> list[Record]:
    """Return the records whose owner was killed before it could stop its servers.

    Raises:
        ServiceError: A record can't be read.
    """
    found = (read_record(path) for path in sorted(records_folder().glob("run-*.json")))
    return [record for record in found if record and record.owner and not record.owner.alive()]


def own_record_name() -> str:
    """Return the record name of the servers that this process owns."""
    return f"run-{os.getpid()}"
