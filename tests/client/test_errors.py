from __future__ import annotations

import re

import pytest

from tuft import errors
from tuft.errors import TuftError

CLASSES = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TuftError)}


def drawn_parents() -> dict[str, str]:
    """Each class in the module's drawing and the class it hangs from."""
    parents, path = {}, ["TuftError"]
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"(?P<indent>[│ ]*)[├└]── (?P<name>\w+)", line):
            depth = len(branch["indent"]) // 4 + 1
            parents[branch["name"]] = path[depth - 1]
            path[depth:] = [branch["name"]]
    return parents


def test_the_drawing_is_the_tree() -> None:
    drawn = drawn_parents()
    assert set(drawn) == {kind.__name__ for kind in CLASSES - {TuftError}}
    for kind in CLASSES - {TuftError}:
        assert kind.__bases__[0].__name__ == drawn[kind.__name__]


@pytest.mark.parametrize("kind", sorted(CLASSES, key=lambda kind: kind.__name__))
def test_each_says_in_one_sentence_what_it_means(kind: type[TuftError]) -> None:
    assert kind.__name__.endswith("Error")
    assert (kind.__doc__ or "").count(".") >= 1
    assert kind.__doc__ != kind.__bases__[0].__doc__


def test_those_with_a_standard_counterpart_are_caught_by_it() -> None:
    assert issubclass(errors.OptionError, ValueError)
    assert issubclass(errors.ServerTimeoutError, TimeoutError)
    assert issubclass(errors.ImageNotFoundError, FileNotFoundError)
