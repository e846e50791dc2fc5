"""A client's settings: what holds unless a file, a variable or the call itself says otherwise."""

from __future__ import annotations

from tuft.settings.sources import DEFAULT_ORIGIN, VARIABLES, Resolved, load_settings, misspelt_variables, resolve
from tuft.settings.values import Settings

__all__ = ["DEFAULT_ORIGIN", "VARIABLES", "Resolved", "Settings", "load_settings", "misspelt_variables", "resolve"]
