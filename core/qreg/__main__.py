"""``python -m qreg``: the same as the command ``qreg``."""

import sys

from qreg.cli import main

sys.exit(main())
