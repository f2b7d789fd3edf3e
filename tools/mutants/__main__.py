"""Entry point of ``python -m tools.mutants``."""

import signal
import sys
from typing import NoReturn

from tools.mutants.cli import main


def _end(number: int, _frame: object) -> NoReturn:
    """End in order when asked to: programs are stopped and copies removed on the way out."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
