from __future__ import annotations

import cropping
import numpy as np


def test_the_box_is_the_smallest_square_that_holds_the_subject_with_its_margin() -> None:
    possible = np.zeros((1024, 1024), bool)
    possible[300:500, 100:400] = True
    (y, x), side = cropping.box_of(possible, 96)
    assert (y, x, side) == (192, 0, 512)
    possible[900, 900] = True
    assert cropping.box_of(possible, 96) == ((0, 0), 1024)


def test_the_table_has_medians_and_ratios_of_sums() -> None:
    def row(whole: float, cropped: float) -> dict[str, object]:
        seconds = {"coarse": 0.5, "whole": 3.5, "cropped": 0.5}
        sad = {"whole": whole, "cropped": cropped}
        return {"share": 0.3, "side": 512, "seconds": seconds, "largest change": 100.0, "change in the band": 9.0,
                "sad": sad}  # fmt: skip

    text = cropping.table({"machine": "M", "load": 1.0, "margin": 96, "rows": [row(100, 90), row(300, 270)]})
    assert "| 30% | 2 | 512 | 4.00 | 1.00 | 4.0 | 9.0 | 100 | 0.90 |" in text
    assert "The coarse pass is 12% of both." in text
