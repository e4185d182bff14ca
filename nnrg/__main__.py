"""``python -m nnrg`` is the command ``nnrg``."""

import sys

from nnrg.cli import main

sys.exit(main())
