"""Walks the commands of an argparse parser."""

from __future__ import annotations

import argparse


def command_paths(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words that select each command and subcommand of `parser`, itself first: `()`, `("remove",)`, ..."""
    paths = [path]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                paths += command_paths(command, (*path, name))
    return paths
