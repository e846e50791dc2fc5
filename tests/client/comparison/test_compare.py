"""Models are compared on photographs with exact alpha; every figure is computed here anew from the files."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from support import published
from support.adopted import adopted

from tuft.cli.main import main
from tuft.comparison import CompareOptions, compare
from tuft.comparison.figures import LEAST_FOR_INTERVAL, Figures, TruthFigures, mean_of, verdict_of
from tuft.errors import ImageError, ModelUnavailableError, OptionError
from tuft.settings import Settings

SIZE = published.SIZE


def disk(radius: float, centre: tuple[float, float] = (48, 64)) -> NDArray[np.float64]:
    """[96, 128], a soft disk."""
    y, x = np.mgrid[:96, :128]
    return np.clip(radius + 0.5 - np.hypot(y - centre[0], x - centre[1]), 0, 1)


def reddish(path: Path, *, threshold: float) -> Path:
    """A network for which a pixel is subject as far as its red, 0..255, exceeds `threshold`."""
    nodes = [
        helper.make_node("Gather", ["input", "red"], ["reds"], axis=1),
        helper.make_node("Sub", ["reds", "threshold"], ["above"]),
        helper.make_node("Mul", ["above", "slope"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([0], np.int64), "red"),
        numpy_helper.from_array(np.float32(threshold), "threshold"),
        numpy_helper.from_array(np.float32(1 / 16), "slope"),
    ]
    shape = (1, 3, SIZE, SIZE)
    graph = helper.make_graph(
        nodes,
        "reddish",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A repository in which `sharp` finds red disks, and `greedy` takes the darker half of what is around them, too."""
    repository = tmp_path / "repository"
    for name, threshold in (("sharp", 128.0), ("greedy", 40.0)):
        file = reddish(tmp_path / f"{name}.onnx", threshold=threshold)
        adopted(file, repository, name=name, normalize="none", output_activation="sigmoid")
    return Settings(url=f"local:{repository}")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs of a red disk before a backdrop that is a little red on the right; the masks lie in `masks`."""
    for folder in ("photos", "photos/more", "masks"):
        (tmp_path / folder).mkdir()
    names = ["a", "b", "c", "d", "more/e"]
    for number, name in enumerate(names):
        alpha = disk(20 + 3 * number)
        backdrop = np.zeros((96, 128, 3))
        backdrop[:, 100:, 0] = 80
        photo = alpha[..., None] * [255, 0, 0] + (1 - alpha[..., None]) * backdrop
        Image.fromarray(np.rint(photo).astype(np.uint8)).save(tmp_path / "photos" / f"{name}.png")
        Image.fromarray(np.rint(alpha * 255).astype(np.uint8)).save(tmp_path / "masks" / f"{Path(name).name}.png")
    return tmp_path / "photos"


def alpha_of(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as picture:
        return np.asarray(picture.getchannel("A" if picture.mode == "RGBA" else 0)) / 255


def test_figures_are_those_of_the_files(settings: Settings, photos: Path, tmp_path: Path) -> None:
    options = CompareOptions((photos,), ("greedy", "sharp"), tmp_path / "masks", tmp_path / "out", "none")
    comparison = compare(options, settings)
    assert sorted(comparison.figures) == ["a", "b", "c", "d", "more/e"]
    for name, figures in comparison.figures.items():
        truth = alpha_of(tmp_path / "masks" / f"{Path(name).name}.png")
        alphas = {model: alpha_of(tmp_path / "out" / model / f"{name}.png") for model in ("greedy", "sharp")}
        agreed = np.minimum(*alphas.values()).sum() / np.maximum(*alphas.values()).sum()
        for model, alpha in alphas.items():
            found = figures[model]
            assert found.truth is not None
            assert found.truth.mae == pytest.approx(np.abs(alpha - truth).mean(), abs=1e-6)
            union = ((alpha > 0.5) | (truth > 0.5)).sum()
            assert found.truth.iou == pytest.approx(((alpha > 0.5) & (truth > 0.5)).sum() / union)
            assert found.agreement == pytest.approx(agreed, abs=1e-5)
            assert found.found
            assert found.seconds >= found.network_seconds > 0
    assert np.array_equal(comparison.agreement, comparison.agreement.T)
    assert np.array_equal(np.diag(comparison.agreement), [1, 1])


def test_the_model_with_the_smallest_errors_is_named(settings: Settings, photos: Path, tmp_path: Path) -> None:
    options = CompareOptions((photos,), ("greedy", "sharp"), tmp_path / "masks", tmp_path / "out", "none")
    verdict = compare(options, settings).verdict
    assert list(verdict.means) == ["sharp", "greedy"]
    assert verdict.wins == {"sharp": 5, "greedy": 0}
    assert str(verdict) == (
        "sharp has the smallest mean error, and its lead over greedy is beyond chance on 5 photographs (95 %)."
    )


def test_the_page_and_the_numbers_hold_everything(
    settings: Settings, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--truth", "masks", "--model", "sharp", "--model", "greedy", "-o", "out", "--refine", "none"]
    assert main(["models", "compare", str(photos), *arguments, "--url", settings.url]) == 0
    assert "The page that shows them is out/index.html" in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(f"cut-out, {model}" in page for model in ("sharp", "greedy"))
    assert "best on" in page
    links = set(re.findall(r'href="([^"]+\.png)"', page))
    assert links == {f"{model}/{name}.png" for model in ("sharp", "greedy") for name in ("a", "b", "c", "d", "more/e")}
    assert all((tmp_path / "out" / link).is_file() for link in links)
    # The largest disk hides most of what `greedy` takes as well, so models agree most on it: it comes last.
    assert re.findall(r"<h2>(\S+)</h2>", page)[2:] == ["a", "b", "c", "d", "more/e"]
    numbers = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert numbers["models"] == ["sharp", "greedy"]
    assert set(numbers["photographs"]["a"]["sharp"]) >= {"mae", "iou", "quality_score", "agreement", "seconds"}


def test_without_truth_nothing_is_called_an_error(settings: Settings, photos: Path, tmp_path: Path) -> None:
    comparison = compare(CompareOptions((photos / "a.png",), (), None, tmp_path / "out"), settings_with_own(settings))
    assert comparison.models == ("standard", "greedy", "sharp")
    assert all(figures.truth is None for figures in comparison.figures["a"].values())
    assert str(comparison.verdict).startswith("There is no truth, so nothing here is an error")
    assert "mean absolute error" not in comparison.page.read_text()


def settings_with_own(settings: Settings) -> Settings:
    """The same repository, and a network of tuft's own in it."""
    from support.tiny import tiny_repository

    tiny_repository(Path(settings.url.partition(":")[2]), sizes=(1024,))
    return settings


def test_a_model_that_finds_no_subject_counts_as_empty(settings: Settings, photos: Path, tmp_path: Path) -> None:
    blind = reddish(tmp_path / "blind.onnx", threshold=260.0)
    adopted(blind, Path(settings.url.partition(":")[2]), name="blind", normalize="none", output_activation="sigmoid")
    options = CompareOptions((photos / "a.png",), ("sharp", "blind"), tmp_path / "masks", tmp_path / "out")
    comparison = compare(options, settings)
    found = comparison.figures["a"]["blind"]
    assert (found.found, found.quality_score, found.agreement) == (False, 0.0, 0.0)
    assert found.truth is not None
    assert found.truth.mae == pytest.approx(alpha_of(tmp_path / "masks" / "a.png").mean(), abs=1e-6)
    assert not (tmp_path / "out" / "blind").exists()
    assert "Not every model finds a subject" in comparison.page.read_text()


def test_a_cut_out_is_a_mask_too(settings: Settings, photos: Path, tmp_path: Path) -> None:
    rgba = np.zeros((96, 128, 4), np.uint8)
    rgba[..., 3] = np.asarray(Image.open(tmp_path / "masks" / "a.png"))
    Image.fromarray(rgba).save(tmp_path / "cut-out.png")
    photo = (photos / "a.png",)
    grey, cut = (
        compare(CompareOptions(photo, ("sharp", "greedy"), truth, tmp_path / "out"), settings)
        .figures["a"]["sharp"]
        .truth
        for truth in (tmp_path / "masks" / "a.png", tmp_path / "cut-out.png")
    )
    # OpenCV sums in another order with another number of threads.
    assert asdict(grey) == pytest.approx(asdict(cut), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("missing", r"masks has no mask for .*c\.png: it is called like the photograph, as c\.png\."),
        ("smaller", r"c\.png has 64 x 48 pixels and its photograph 128 x 96: give the mask of this photograph\."),
        ("coloured", r"c\.png is no mask, it has colours"),
    ],
)
def test_masks_that_do_not_fit_are_told_before_any_network_runs(
    change: str, told: str, settings: Settings, photos: Path, tmp_path: Path
) -> None:
    mask = tmp_path / "masks" / "c.png"
    if change == "missing":
        mask.unlink()
    elif change == "smaller":
        Image.open(mask).resize((64, 48)).save(mask)
    else:
        Image.open(photos / "c.png").save(mask)
    options = CompareOptions((photos,), ("sharp", "greedy"), tmp_path / "masks", tmp_path / "out")
    with pytest.raises(OptionError, match=told):
        compare(options, settings)
    assert not (tmp_path / "out").exists()


def test_wrong_names_are_told_before_any_network_runs(settings: Settings, photos: Path, tmp_path: Path) -> None:
    def run(*models: str) -> Any:
        return compare(CompareOptions((photos,), models, None, tmp_path / "out"), settings)

    with pytest.raises(ModelUnavailableError, match="u2net"):
        run("sharp", "u2net")
    with pytest.raises(OptionError, match="There is only sharp to compare: pull another"):
        run("sharp")
    with pytest.raises(OptionError, match="A model is named twice: sharp, sharp"):
        run("sharp", "sharp")
    one = tmp_path / "masks" / "a.png"
    with pytest.raises(OptionError, match="is one mask, and there are 5 photographs"):
        compare(CompareOptions((photos,), ("sharp", "greedy"), one, tmp_path / "out"), settings)
    assert not (tmp_path / "out").exists()


def test_a_damaged_photograph_is_told_before_any_network_runs(settings: Settings, photos: Path, tmp_path: Path) -> None:
    (photos / "z.png").write_bytes((photos / "a.png").read_bytes()[:100])
    with pytest.raises(ImageError, match=r"z\.png"):
        compare(CompareOptions((photos,), ("sharp", "greedy"), None, tmp_path / "out"), settings)
    assert not (tmp_path / "out").exists()


def test_intervals_hold_the_mean_as_often_as_they_say(rng: np.random.Generator) -> None:
    held = 0
    for _ in range(60):
        mean = mean_of(rng.normal(1.0, 1.0, 40).tolist())
        assert mean.low is not None
        assert mean.high is not None
        held += mean.low <= 1.0 <= mean.high
    assert held >= 50  # 95 % of 60 are 57; fewer than 50 has a probability below 1e-4


def figures(mae: float) -> Figures:
    return Figures(True, 1.0, 1.0, 0.9, 0.9, TruthFigures(mae, 1 - mae, 1.0, 1.0, 1.0, 1.0))


def test_a_model_that_is_mostly_the_best_and_fails_on_one_is_named() -> None:
    steady, bold = [0.02] * 6, [0.01] * 5 + [0.5]
    each = {
        str(n): {"bold": figures(b), "steady": figures(s)} for n, (s, b) in enumerate(zip(steady, bold, strict=True))
    }
    verdict = verdict_of(("bold", "steady"), each, has_truth=True)
    assert list(verdict.means) == ["steady", "bold"]
    assert str(verdict) == (
        "steady has the smallest mean error, but its lead over bold may be chance on 6 photographs (95 %). bold is the "
        "best on 5 of them, steady on 1: look at those on which bold fails."
    )


def test_few_photographs_and_no_scipy_give_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mean_of([1.0, 2.0, 3.0, 4.0]).low is None
    values = [float(number) for number in range(LEAST_FOR_INTERVAL)]
    assert mean_of(values).low is not None
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert (mean_of(values).value, mean_of(values).low) == (2.0, None)
