"""`python -m usbook` runs the command."""
import sys

from usbook.cli.main import main

sys.exit(main())
