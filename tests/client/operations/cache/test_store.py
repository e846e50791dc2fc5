from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuft
from tuft.operations.cache.store import NAME, Store

OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "get"]), st.sampled_from("abcd"), st.integers(0, 60)), min_size=10, max_size=40
)


@given(operations=OPERATIONS)
@settings(max_examples=60)
def test_it_is_a_dictionary_in_which_the_least_recently_used_makes_room(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, str, int]]
) -> None:
    limit_bytes = 100
    store = Store(tmp_path_factory.mktemp("store"), limit_bytes)
    model: OrderedDict[str, bytes] = OrderedDict()
    for operation, key, size in operations:
        if operation == "put":
            store.put(key, bytes(size))
            model.pop(key, None)
            model[key] = bytes(size)
            while sum(map(len, model.values())) > limit_bytes:
                model.popitem(last=False)
        else:
            assert store.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
    for key in "abcd":
        assert store.get(key) == model.get(key)
    store.close()


def test_what_alone_is_too_large_drives_nothing_out(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    store.put("small", b"1")
    store.put("large", bytes(101))
    assert store.get("large") is None
    assert store.get("small") == b"1"
    store.close()


def test_the_file_stays_near_its_limit_and_gives_space_back(tmp_path: Path, rng: np.random.Generator) -> None:
    store = Store(tmp_path, 2_000_000)
    for number in range(60):
        store.put(str(number), rng.bytes(200_000))
    store.close()
    assert 1_800_000 < _size(tmp_path) < 2_400_000
    Store(tmp_path, 400_000).close()  # a smaller limit takes effect at once
    assert _size(tmp_path) < 600_000


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_what_is_kept_is_there_for_the_next_program_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    first = Store(folder, 100)
    second = Store(folder, 100)  # at the same time
    first.put("key", b"value")
    assert second.get("key") == b"value"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    second.clear()
    assert first.get("key") is None
    first.close()
    second.close()
    first.close()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not a database " * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Store(tmp_path, 100)


HAMMER = """
import hashlib, random, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tuft.operations.cache.store import Store
store = Store(Path({folder!r}), 3_000_000)
order = random.Random({seed})
found = 0
for _ in range({count}):
    number = order.randrange(60)
    wanted = hashlib.shake_128(bytes([number])).digest(100_000)
    value = store.get(str(number))
    assert value in (None, wanted), number
    found += value is not None
    if value is None:
        store.put(str(number), wanted)
print(found)
"""


def test_several_programs_share_it(tmp_path: Path) -> None:
    root = str(Path(tuft.__file__).parents[1])
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER.format(root=root, folder=str(tmp_path), seed=seed, count=150)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2)
    ]
    for program in programs:
        said, complained = program.communicate(timeout=60)
        assert program.returncode == 0, complained
        assert int(said) > 20  # half of the values fit


def test_a_program_that_is_killed_leaves_a_whole_cache(tmp_path: Path) -> None:
    root = str(Path(tuft.__file__).parents[1])
    for seed in range(3):
        program = subprocess.Popen(
            [sys.executable, "-c", HAMMER.format(root=root, folder=str(tmp_path), seed=seed, count=10**6)],
        )
        while not (tmp_path / NAME).exists():
            assert program.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.5 + seed / 7)
        program.kill()
        program.wait()
    script = HAMMER.format(root=root, folder=str(tmp_path), seed=9, count=50)
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
