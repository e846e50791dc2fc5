"""One module for each command of `tuft-export`: `add_to` declares it, and says what runs it."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
