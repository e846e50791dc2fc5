from __future__ import annotations

from pathlib import Path

import coldstart
import pytest
from _coldstart.startup_log import server_start
from _lib.synthetic_photograph import synthetic_photograph
from support.tiny import tiny_repository

NOON_S = 1_700_000_000 // 86400 * 86400 + 12 * 3600
# Written at half past five in the evening by a server whose zone is five hours and a half ahead.
LOG = """\
tritonserver says something without a time
I1114 17:30:00.500000 42 cache_manager.cc:480] "Create CacheManager"
I1114 17:30:00.600000 42 model_lifecycle.cc:472] "loading: small:1"
I1114 17:30:00.700000 42 model_lifecycle.cc:472] "loading: large:1"
I1114 17:30:02.000000 42 python_be.cc:2270] \
"TRITONBACKEND_ModelInstanceInitialize: instance initialization successful small_0_0 (device 0)"
I1114 17:30:02.500000 42 model_lifecycle.cc:839] "successfully loaded 'small'"
I1114 17:30:59.000000 42 python_be.cc:2270] \
"TRITONBACKEND_ModelInstanceInitialize: instance initialization successful large_0_0 (device 0)"
I1114 17:31:01.000000 42 model_lifecycle.cc:839] "successfully loaded 'large'"
I1114 17:31:01.250000 42 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:8001"
""".splitlines()
# A package is imported before its own modules are finished.
IMPORTS = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |     numpy.core
import time:       300 |        400 |   numpy
import time:        50 |         50 |   tuft.errors
import time:       200 |        650 | tuft
"""


def test_the_log_tells_the_phases_whatever_its_zone() -> None:
    found = server_start(LOG, began_s=NOON_S + 0.25)
    assert found.first_line_s == pytest.approx(0.25)
    assert list(found.models) == ["small", "large"]
    small, large = found.models["small"], found.models["large"]
    assert (small.loading_s, small.compiled_s, small.loaded_s) == pytest.approx((0.35, 1.75, 2.25))
    assert (large.loading_s, large.compiled_s, large.loaded_s) == pytest.approx((0.45, 58.75, 60.75))
    assert found.listening_s == pytest.approx(61.0)


def test_a_log_of_half_a_start_is_refused() -> None:
    with pytest.raises(ValueError, match="does not tell a whole start"):
        server_start(LOG[:-1], began_s=NOON_S)


def test_a_package_takes_what_its_modules_take_themselves() -> None:
    assert coldstart.packages_s(IMPORTS) == pytest.approx({"numpy": 400e-6, "tuft": 250e-6})


@pytest.mark.server
@pytest.mark.slow
def test_a_short_start_is_told_in_order(tmp_path: Path) -> None:
    repository = tiny_repository(tmp_path / "repository", sizes=(384, 1024))
    jpeg = tmp_path / "photo.jpg"
    jpeg.write_bytes(synthetic_photograph(0.1)[0])
    starts = coldstart.serve_starts(repository, (384, 1024), "standard", jpeg, count=2)
    for start in starts:
        assert "inspyrenet_1024" in start["models"]  # the others follow when the server is quiet
        for model in start["models"].values():
            assert start["first_line_s"] <= model["loading_s"] < model["compiled_s"] <= model["loaded_s"]
        first_s = start["models"]["inspyrenet_1024"]["loaded_s"]
        assert first_s <= start["listening_s"] <= start["ready_s"] < start["first_cut_out_s"]
    model = coldstart.model_starts(repository, "standard", "f32", repetitions=1)
    assert model.keys() == {"no cache", "empty cache", "filled cache"}
    where = {"machine": "a machine", "load": 0.1, "weights": "tiny", "parameter": [], "megapixels": 0.1}
    data = {**where, "preset": "standard", "imports": coldstart.imports(1), "model": model, "serve": starts}
    text = coldstart.table(data)
    assert "| seconds since `tuft serve` | first start | later starts |" in text
    assert [line for line in text.splitlines() if line.startswith("| first cut-out |")]


@pytest.mark.slow
def test_the_ways_without_a_server_take_turns(tmp_path: Path) -> None:
    jpeg = tmp_path / "photo.jpg"
    jpeg.write_bytes(synthetic_photograph(0.1)[0])
    starts = coldstart.local_starts("standard", jpeg, 1, tmp_path)
    assert [len(runs) for runs in starts.values()] == [1, 1, 1]
    for (run,) in starts.values():
        assert min(run["s"], run["cpu_s"]) > 0
    text = coldstart._local_table({"machine": "a machine", "load": 0.1, "starts": starts})
    assert text.splitlines()[-1].startswith("| rembg's way, the same graph |")
    assert text.endswith("| 1.00 |")
