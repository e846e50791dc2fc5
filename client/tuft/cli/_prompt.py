"""The options of `tuft remove` that say which subject is meant."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tuft.errors import OptionError, PromptError
from tuft.prompts import Points, parse_box, parse_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft.prompts import Prompt


def add_prompt_options(parser: argparse.ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("--box", type=_parsed(parse_box), metavar="'X1 Y1 X2 Y2'",
                        help="the subject that this box holds, in pixels of the upright photograph")  # fmt: skip
    parser.add_argument("--point", type=_parsed(parse_point), action="append", default=[], metavar="'X Y'",
                        help="a pixel on the subject; may be repeated; the server needs a model that takes points, "
                             "see `tuft-export sam2`")  # fmt: skip
    parser.add_argument("--not-point", type=_parsed(parse_point), action="append", default=[], metavar="'X Y'",
                        help="a pixel beside the subject; may be repeated, with --point")  # fmt: skip


def prompt_of(arguments: argparse.Namespace) -> list[Prompt] | None:
    """What the options say of the subject; None if they say nothing.

    Raises:
        OptionError: There are only points beside the subject.
    """
    prompts: list[Prompt] = [] if arguments.box is None else [arguments.box]
    if arguments.point:
        prompts.append(Points(arguments.point, arguments.not_point))
    elif arguments.not_point:
        raise OptionError("--not-point alone does not say what the subject is: add --point.")
    return prompts or None


def _parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argparse type whose errors are those of `parse`."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except PromptError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed
