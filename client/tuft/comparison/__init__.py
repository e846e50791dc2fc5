"""Which model for these photographs? Each cuts out all of them, and one page shows who does what how well.

`masks` reads the truth where there is one, `figures` computes, `page` shows. A model is released before the next one is
loaded, and its cut-outs lie on the disk, so that neither their number nor that of the models takes memory.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from tqdm import tqdm

from tuft import imaging
from tuft.batch.plan import Job, plan
from tuft.client import Client
from tuft.comparison.figures import Figures, Verdict, agreement, figures_of, verdict_of
from tuft.comparison.masks import read_mask, truths_of
from tuft.comparison.outcome import Outcome
from tuft.comparison.page import html, scene
from tuft.errors import ImageError, NoSubjectError, OptionError, ServerError
from tuft.files import make_folder, write_atomically
from tuft.presets import PRESETS
from tuft.report import note_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.presets import Refinement
    from tuft.settings import Settings

__all__ = ["CompareOptions", "Comparison", "Outcome", "compare"]

PAGE_NAME: Final = "index.html"
NUMBERS_NAME: Final = "comparison.json"
_WARM_UP: Final = np.full((64, 64, 3), 128, np.uint8)


@dataclass(frozen=True)
class CompareOptions:
    """What is compared, and where the result goes.

    Attributes:
        photos: Photographs and folders of photographs.
        models: Names of served models and of presets; empty for the default preset and all other models that are
            served.
        truth: The mask of a single photograph, or a folder of masks called like the photographs; None without truth.
        folder: Where cut-outs, page and numbers are written.
        refine: Refinement for all; the preset's by default, `none` compares the networks alone.
    """

    photos: tuple[Path, ...]
    models: tuple[str, ...] = ()
    truth: Path | None = None
    folder: Path = Path("out/models")
    refine: Refinement | None = None


@dataclass(frozen=True)
class Comparison:
    """The result.

    Attributes:
        page: The page's file.
        figures: From each photograph's name to the figures of each model.
        agreement: Mean soft intersection over union of each pair of models, [m, m], in the order of `models`.
        models: Names of the models.
        verdict: What can be said of them.
    """

    page: Path
    figures: Mapping[str, Mapping[str, Figures]]
    agreement: NDArray[np.float64]
    models: tuple[str, ...]
    verdict: Verdict


def compare(options: CompareOptions, settings: Settings) -> Comparison:
    """Lets every model cut out every photograph, and writes cut-outs, page and numbers.

    Raises:
        OptionError: A name, a photograph or a mask does not exist, or a mask does not fit its photograph.
        ImageError: A photograph cannot be read.
        ServerError: A model is not served, or failed.
        OutputError: The folder cannot be written.
    """
    models = _models(options, settings)
    jobs = plan(options.photos, options.folder, is_folder=True).jobs
    truths = truths_of([_path(job) for job in jobs], options.truth)
    make_folder(options.folder)
    with tqdm(total=len(models) * len(jobs), unit="cut-out", disable=None) as bar:
        outcomes = {name: _cut_out(name, jobs, options, settings, bar) for name in models}
    return _result(options, models, jobs, truths, outcomes)


def _models(options: CompareOptions, settings: Settings) -> tuple[str, ...]:
    """The contestants' names, each of which is there.

    Raises:
        OptionError: There are fewer than two, or one is named twice.
        ServerError: A named one is not served.
    """
    names = options.models
    with Client.from_settings(settings) as client:
        transport = client.transport
        transport.server_info()
        if not names:
            names = (settings.preset, *_others(client))
        for name in names:
            if name not in PRESETS:
                transport.model_size(name, timeout_s=settings.timeout_s)
    if len(set(names)) < len(names):
        raise OptionError(f"A model is named twice: {', '.join(names)}.")
    if len(names) < 2:
        raise OptionError(
            f"There is only {names[0]} to compare: pull another model, as `tuft models list` shows them, or name "
            "presets as well with --model."
        )
    return names


def _others(client: Client) -> tuple[str, ...]:
    try:
        return tuple(client.transport.other_models(os.environ.get("TUFT_KEY", "")))
    except ServerError as exc:
        raise OptionError(
            "This server does not tell which models it has: name them with --model, or set TUFT_KEY to its key."
        ) from exc


def _path(job: Job) -> Path:
    if not isinstance(job.source, Path):
        raise OptionError(f"{job.source} is not a file: models are compared on files and folders.")
    return job.source


def _cut_out(
    name: str, jobs: Sequence[Job], options: CompareOptions, settings: Settings, bar: tqdm[Any]
) -> list[Outcome]:
    """Runs one model, which is loaded for this and released afterwards."""
    what: dict[str, Any] = {"preset": name} if name in PRESETS else {"model": name}
    with Client.from_settings(settings) as client:
        with suppress(ImageError):
            client.remove(_WARM_UP, **what)  # the first answer takes longer: the model is loaded
        outcomes = []
        for job in jobs:
            target = options.folder / name / job.target.relative_to(options.folder).with_suffix(".png")
            outcomes.append(_outcome(client, name, job, target, {**what, "refine": options.refine}))
            bar.update()
    return outcomes


def _outcome(client: Client, name: str, job: Job, target: Path, what: dict[str, Any]) -> Outcome:
    try:
        cutout = client.remove(_path(job), **what)
    except NoSubjectError as exc:
        target.unlink(missing_ok=True)  # of an earlier comparison
        return Outcome(name, None, note=str(exc))
    make_folder(target.parent)
    cutout.save(target)
    return Outcome(name, target, dict(cutout.milliseconds), cutout.quality_score, note_of(cutout))


def _result(
    options: CompareOptions,
    models: tuple[str, ...],
    jobs: Sequence[Job],
    truths: Mapping[Path, Path],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> Comparison:
    figures, pairs, scenes = {}, [], []
    for number, job in enumerate(jobs):
        source = _path(job)
        photo = imaging.load_photo(source).rgb
        truth = read_mask(truths[source], photo.shape[:2]) if source in truths else None
        ran = {name: outcomes[name][number] for name in models}
        alphas = {name: _alpha(outcome, photo.shape[:2]) for name, outcome in ran.items()}
        agreed = agreement(list(alphas.values()))
        pairs.append(agreed)
        name = job.target.relative_to(options.folder).with_suffix("").as_posix()
        figures[name] = figures_of(ran, alphas, agreed, truth)
        scenes.append(scene(name, photo, truth, ran, figures[name], options.folder))
    mean_agreement = np.mean(pairs, axis=0)
    verdict = verdict_of(models, figures, has_truth=bool(truths))
    file = options.folder / PAGE_NAME
    write_atomically(file, html(models, figures, mean_agreement, verdict, scenes).encode())
    numbers = {
        "models": list(models),
        "verdict": str(verdict),
        "means": {name: mean.to_dict() for name, mean in verdict.means.items()},
        "agreement": mean_agreement.round(4).tolist(),
        "photographs": {name: {m: f.to_dict() for m, f in each.items()} for name, each in figures.items()},
    }
    write_atomically(options.folder / NUMBERS_NAME, (json.dumps(numbers, indent=1) + "\n").encode())
    return Comparison(file, figures, mean_agreement, models, verdict)


def _alpha(outcome: Outcome, size_hw: tuple[int, ...]) -> NDArray[np.float32]:
    """The alpha of a cut-out, 0..1; nothing where the model found no subject."""
    if outcome.file is None:
        return np.zeros(size_hw, np.float32)
    with Image.open(outcome.file) as picture:
        return np.asarray(picture.getchannel("A"), np.float32) / 255
