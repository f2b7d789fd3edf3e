"""Runs the user's command while servers are up, and minds signals meanwhile."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import Self

from tools.services.errors import ServiceError

NOT_FOUND = 127
NOT_EXECUTABLE = 126
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedBySignalError(Exception):
    """A signal asked this tool to end while no command of the user's was running.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Foreground:
    """Decides what a signal means; a context manager that restores the former handlers.

    Before and between commands a signal raises ``InterruptedBySignalError``. While a command runs it is
    passed on, so that the command decides. Once ``settle`` was called, signals are ignored: the servers are
    being stopped, and that is not to be cut short.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._pending: int | None = None
        self._starting = False
        self._settling = False
        self._former: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in HANDLED:
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def settle(self) -> None:
        """Ignore signals from now on."""
        self._settling = True

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command to its end and return its status as a shell would report it.

        Args:
            command: Program and arguments; it inherits standard input and output.
            environment: Variables added to those of this process.

        Raises:
            ServiceError: The command can't be run. Its ``status`` attribute is what a shell would return.
        """
        self._starting = True
        try:
            self._child = subprocess.Popen(command, env={**os.environ, **environment})
        except OSError as error:
            status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            raise CommandError(command[0], str(error), status) from error
        finally:
            self._starting = False
        if self._pending is not None:
            self._child.send_signal(self._pending)
        status = self._child.wait()
        self._child = None
        return 128 - status if status < 0 else status

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._settling:
            return
        if self._starting:
            self._pending = number
        elif self._child is None:
            raise InterruptedBySignalError(number)
        elif number != signal.SIGINT:
            # A Ctrl-C in a terminal reaches the command by itself, being of the same process group.
            self._child.send_signal(number)


class CommandError(ServiceError):
    """The user's command can't be run.

    Args:
        program: The program.
        error: Why.
        status: The exit status a shell would return: 127 not found, 126 not executable.
    """

    def __init__(self, program: str, error: str, status: int) -> None:
        super().__init__("services", f"run {program}", error)
        self.status = status
