"""`python -m tuft` is `tuft`."""

from __future__ import annotations

from tuft.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
