"""The contract of a server that this tool installs, starts and stops."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tools.services.process import Process, stop


@dataclass(frozen=True)
class Installed:
    """What is there of a server.

    Attributes:
        version: As the program itself reports it.
        program: Its main executable.
    """

    version: str
    program: Path


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        server: Name of the server.
        process: Its main process.
        stop_signal: The signal that makes it shut down at once and in good order.
        port: TCP port of 127.0.0.1.
        log: The file with its output.
        environment: The variables that tell the tests where it is.
    """

    server: str
    process: Process
    stop_signal: signal.Signals
    port: int
    log: Path
    environment: Mapping[str, str]

    def stop(self) -> None:
        """Stop it by its own process id.

        Raises:
            ServiceError: It can't be stopped.
        """
        stop(self.server, self.process, self.stop_signal, grace=20)


class Server(ABC):
    """One kind of server. To add one, subclass this and list it in ``registry.py``."""

    name: ClassVar[str]
    """Name on the command line and in every message."""

    variable: ClassVar[str]
    """The environment variable that tells the tests where it is."""

    @abstractmethod
    def installed(self) -> Installed | None:
        """Return what is there, or None.

        Raises:
            ServiceError: What is there can't be used.
        """

    @abstractmethod
    def install(self) -> Installed:
        """Make it available, doing nothing where it already is.

        Raises:
            ServiceError: It can't be had; the message says what to do.
        """

    @abstractmethod
    def start(self, installed: Installed, folder: Path, port: int) -> Running:
        """Start a server with no data and return once it answers.

        Args:
            installed: What ``installed`` returned.
            folder: An empty folder of its own for data and log.
            port: The port of 127.0.0.1 to listen on.

        Raises:
            PortTakenError: The port was taken meanwhile; the caller tries another.
            ServiceError: It does not start; nothing of it is left running.
        """
