"""`python -m usbook.cli` runs the command."""
import sys

from usbook.__main__ import start

sys.exit(start())
