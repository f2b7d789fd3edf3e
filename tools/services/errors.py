"""The one error of this tool."""


class ServiceError(Exception):
    """A server could not be installed, started or stopped.

    Args:
        server: Name of the server, or of the part of the tool that failed.
        step: What was being done, in a few words.
        error: The exact error, as the program or the system reported it.
        hint: What the reader can do about it.
    """

    def __init__(self, server: str, step: str, error: str, hint: str = "") -> None:
        super().__init__(server, step, error, hint)
        self.server = server
        self.step = step
        self.error = error
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.server}: {self.step}: {self.error}"
        return f"{text}\n  {self.hint}" if self.hint else text


class PortTakenError(ServiceError):
    """The free port chosen for a server was taken by someone else before the server bound it."""
