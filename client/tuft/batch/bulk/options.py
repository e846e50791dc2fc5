"""What a batch makes of each photograph, and what its outputs depend on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tuft import imaging
from tuft.background import require_fitting
from tuft.batch.output import Output
from tuft.errors import OptionError
from tuft.text import shown

if TYPE_CHECKING:
    from tuft.imaging import compose
    from tuft.options import RemoveOptions
    from tuft.presets import Refinement

Into = Literal["pictures", "parquet", "tar"]
INTO: Final = ("pictures", "parquet", "tar")


@dataclass(frozen=True)
class BatchOptions:
    """What is made of each photograph, as by `tuft remove`.

    Attributes:
        preset: Name of the preset; that of the settings by default.
        size: Another working size of the network.
        model: Another served model.
        refine: Another refinement.
        roi: The region that holds the subject.
        timeout_s: Seconds that the server may take for one photograph.
        output: Frame, edge and shadow of the cut-out, and what is shown of it.
        background: As `tuft.background.resolve_background` returns it; None for none.
        format: One of `tuft.imaging.FORMATS`.
        quality: 1..100 of JPEG and of lossy WebP; None for the default of JPEG and lossless WebP.
        keep_metadata: Whether the cut-out keeps the photograph's EXIF.
        into: `pictures`, one file each; `parquet` or `tar`, many together.

    Raises:
        OptionError: Some do not go together.
    """

    preset: str | None = None
    size: int | None = None
    model: str | None = None
    refine: Refinement | None = None
    roi: str | None = None
    timeout_s: float | None = None
    output: Output = field(default_factory=Output)
    background: compose.Background | None = None
    format: str = "png"
    quality: int | None = None
    keep_metadata: bool = False
    into: Into = "pictures"

    def __post_init__(self) -> None:
        require_fitting(self.format, self.background, self.output.output_type)
        if self.into not in INTO:
            raise OptionError(f"There is no output {shown(repr(self.into))}: choose one of {', '.join(INTO)}.")

    @property
    def suffix(self) -> str:
        """The suffix of a cut-out's name."""
        return ".jpg" if self.format == "jpeg" else f".{imaging.format_from_name(self.format)}"

    @property
    def of_request(self) -> RemoveOptions:
        """The arguments of `tuft.Client.remove` beside the preset."""
        given: RemoveOptions = {"size": self.size, "model": self.model, "refine": self.refine, "roi": self.roi}
        return {**given, "timeout_s": self.timeout_s}

    @property
    def of_encoding(self) -> dict[str, Any]:
        """The arguments of `tuft.Cutout.to_bytes`."""
        encoding: dict[str, Any] = {"format": self.format, "background": self.background}
        encoding["output_type"] = self.output.output_type
        if self.quality is not None:
            encoding |= {"lossless": False, "quality": self.quality}
        return encoding

    def described(self) -> dict[str, Any]:
        """Everything that the outputs depend on, as values for JSON; a picture is named by its hash."""
        values = asdict(self)
        del values["timeout_s"]
        if isinstance(self.background, np.ndarray):
            values["background"] = hashlib.sha256(np.ascontiguousarray(self.background).data).hexdigest()
        elif isinstance(self.background, tuple):
            values["background"] = list(self.background)
        return values
