"""`python -m tuft_export` is `tuft-export`."""

from __future__ import annotations

import sys

from tuft_export.cli.main import main

sys.exit(main())
