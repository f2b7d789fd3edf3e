"""Entry point of ``python -m tools.services``."""

import sys

from tools.services.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
