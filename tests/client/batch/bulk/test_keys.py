"""Names of outputs, and sets of keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuft.batch.bulk.keys import KeySet, digest, group_name, name_of

keys = st.lists(
    st.sampled_from(
        ["a", "b.jpg", "..", ".", "", "%2E", "%", "_tuft", "root", "s3:", "s3", "é", "\\", "\n", "x" * 300]
    ),
    min_size=1,
    max_size=4,
).map("/".join) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(first=keys, second=keys)
def test_different_keys_have_different_names_within_the_output(first: str, second: str) -> None:
    parts = [name_of(key).split("/") for key in (first, second)]
    assert (parts[0] == parts[1]) is (first == second)
    for part in parts[0]:
        assert part not in ("", ".", "..")
        assert len(part.encode()) < 240
        assert part.isprintable()
    assert parts[0][0] != "_tuft"


def test_names_are_those_of_the_photographs() -> None:
    assert name_of("shop/Shot 2024.01.05.jpg") == "shop/Shot 2024.01.05.jpg"
    assert name_of("s3://shop/a.jpg") == "s3/shop/a.jpg"
    assert name_of("/srv/a.jpg") == "root/srv/a.jpg"
    assert name_of("../a.jpg") == "%2E%2E/a.jpg"


@given(inside=st.sets(keys), asked=st.lists(keys, min_size=1))
def test_a_set_of_keys_is_a_set(inside: set[str], asked: list[str]) -> None:
    found = KeySet(map(digest, [*inside, *inside]))
    assert len(found) == len(inside)
    assert found.among(asked).tolist() == [key in inside for key in asked]


@given(once=st.sets(keys), twice=st.sets(keys))
def test_keys_that_come_again_are_found(once: set[str], twice: set[str]) -> None:
    repeated = KeySet(map(digest, [*(once - twice), *twice, *twice]), least=2)
    assert [key in repeated for key in sorted(once | twice)] == [key in twice for key in sorted(once | twice)]


@given(group=st.lists(keys, unique=True, min_size=2))
def test_the_name_of_a_group_is_that_of_its_keys_in_any_order(group: list[str]) -> None:
    assert group_name(group) == group_name(reversed(group)) != group_name(group[1:])
