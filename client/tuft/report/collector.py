"""Collects the report of a run over many photographs; pictures are reduced as they arrive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from PIL import Image

from tuft.files import write_atomically
from tuft.report.exhibit import Exhibit, Layer, Run
from tuft.report.page import fitting_px, html_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.cutout import Cutout


class Named(Protocol):
    """A photograph that has a name: a path, or what stands for one."""

    @property
    def name(self) -> str:
        """Its name without folders."""


MAX_SHOWN: Final = 200  # photographs; browsers scroll through so many without effort


def layers_of(cutout: Cutout, label: str = "") -> tuple[Layer, Layer]:
    """The alpha and the cut-out as layers; `label` is appended to their names to tell several cut-outs apart."""
    suffix = f", {label}" if label else ""
    return Layer(f"alpha{suffix}", Image.fromarray(cutout.alpha)), Layer(f"cut-out{suffix}", cutout.image)


def note_of(cutout: Cutout) -> str:
    """The model that served, and why another preset than the requested one served, if so."""
    note = f"{cutout.model}, version {cutout.model_version}"
    return f"{note}; {cutout.fallback_reason}" if cutout.fallback_reason else note


class Collector:
    """Collects the result of each photograph and writes one page for all of them.

    It keeps small encoded pictures of the first `MAX_SHOWN` photographs, and the messages of failures, so memory does
    not grow with the folder. Each method may be called from several threads.

    Attributes:
        file: The file of the page.

    Args:
        file: The file of the page.
        targets: The files of all cut-outs, in the order of the page.
        shown: Number of photographs, from the first, that are shown with pictures.
    """

    def __init__(self, file: Path, targets: Sequence[Path], *, shown: int = MAX_SHOWN) -> None:
        self.file = file
        self._place = {target: number for number, target in enumerate(targets)}
        self._root = os.path.commonpath([target.parent for target in targets]) if targets else ""
        self._shown = shown
        self._long_side_px = fitting_px(min(len(targets), shown))
        self._exhibits: dict[int, Exhibit] = {}

    def add(self, source: Named, target: Path, cutout: Cutout, *, encode_ms: float) -> None:
        """Adds a photograph whose cut-out has been encoded and written to `target` in `encode_ms` milliseconds."""
        number = self._place[target]
        if number >= self._shown:
            return
        milliseconds = {**cutout.milliseconds, "encode": encode_ms}
        run = Run(cutout.preset, milliseconds, note_of(cutout), _relative(target, self.file))
        photograph = Layer("photograph", Image.fromarray(cutout.photo))
        exhibit = Exhibit(self._name(source, target), layers=(photograph, *layers_of(cutout)), runs=(run,))
        self._exhibits[number] = exhibit.reduced(self._long_side_px)

    def fail(self, source: Named, target: Path, sentence: str) -> None:
        """Adds a photograph that has no cut-out, with the reason; all failures are shown."""
        self._exhibits[self._place[target]] = Exhibit(self._name(source, target), sentence, status="fail")

    def write(self) -> None:
        """Writes the page atomically.

        Raises:
            OutputError: The file cannot be written.
        """
        exhibits = [self._exhibits[number] for number in sorted(self._exhibits)]
        page = html_report(exhibits, title="Cut-outs", subtitle=self._subtitle())
        write_atomically(self.file, page.encode())

    def _name(self, source: Named, target: Path) -> str:
        """Path of the photograph relative to the folder that contains all cut-outs."""
        return (target.parent.relative_to(self._root) / source.name).as_posix()

    def _subtitle(self) -> str:
        count = len(self._place)
        text = f"{count} photograph{'' if count == 1 else 's'}"
        if count > self._shown:
            return f"{text}; only the first {self._shown} and every failure are shown"
        return text


def _relative(target: Path, file: Path) -> str | None:
    try:
        return Path(os.path.relpath(target, file.parent)).as_posix()
    except ValueError:  # on another drive
        return None
