"""Entry point of ``python -m tools.reference``."""

import sys

from tools.reference.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
