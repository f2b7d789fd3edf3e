"""``python -m computor_cli`` is ``computor``."""

import sys

from computor_cli.main import main

sys.exit(main())
