"""What tuft knows of a published model: one frozen row."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.presets import Resize

Activation = Literal["sigmoid", "softmax", "none"]
ACTIVATIONS: Final[tuple[Activation, ...]] = get_args(Activation)


@dataclass(frozen=True)
class Licence:
    """The terms of a model's weights, as their publisher states them.

    Attributes:
        name: Such as `MIT`.
        is_commercial: Whether it allows commercial use.
        terms: What it forbids or leaves open, in one line; empty if it has nothing unusual.
    """

    name: str
    is_commercial: bool = True
    terms: str = ""


@dataclass(frozen=True)
class Download:
    """An ONNX file at an address.

    Attributes:
        url: Its address.
        md5: In hexadecimal, as published; None if none is published.
        sha256: In hexadecimal, as published; None if none is published.
    """

    url: str
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class NpmFile:
    """An ONNX file in a package of npm's registry, cut into parts that an index lists.

    Attributes:
        package: Name of the package.
        version: Its version.
        entry: Name of the file in `dist/resources.json`, which lists its parts and their SHA-256.
        sha256: Of the whole file, in hexadecimal.
    """

    package: str
    version: str
    entry: str
    sha256: str

    @property
    def url(self) -> str:
        """The package's page."""
        return f"https://www.npmjs.com/package/{self.package}/v/{self.version}"


@dataclass(frozen=True)
class OwnCheckpoint:
    """A checkpoint of InSPyReNet, which tuft exports itself; that needs torch.

    Attributes:
        name: Its name for `tuft-export weights`.
        url: Its address.
        sizes: Working sizes in pixels that are published.
        md5: In hexadecimal, as published; None if none is published.
    """

    name: str
    url: str
    sizes: tuple[int, ...]
    md5: str | None = None


@dataclass(frozen=True)
class NotExported:
    """A model whose authors publish a PyTorch checkpoint and no ONNX file.

    Attributes:
        url: The checkpoint's address.
        exporter: What exports it.
    """

    url: str
    exporter: str


Origin: TypeAlias = Download | NpmFile | OwnCheckpoint | NotExported


@dataclass(frozen=True)
class KnownModel:
    """A published model.

    Attributes:
        name: Its name for `tuft models`, and on the server.
        task: What it cuts out, in a few words.
        origin: Where it comes from.
        megabytes: About how many are downloaded.
        size: Working size in pixels.
        normalize: The normalisation of its input, a name of `tuft-export adopt --normalize`.
        activation: Maps its output to 0..1.
        licence: The terms of its weights.
        sources: From each fact to where it is read.
        output: Position of the output that is the mask.
        resize: How photographs were brought to the working size in training.
        note: One line that a user should know.
    """

    name: str
    task: str
    origin: Origin
    megabytes: int
    size: int
    normalize: str
    activation: Activation
    licence: Licence
    sources: Mapping[str, str] = field(repr=False)
    output: int = 0
    resize: Resize = "static"
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", MappingProxyType(dict(self.sources)))

    @property
    def published_hash(self) -> str | None:
        """The hash that its file is compared with, with its algorithm; None if none is published."""
        for algorithm in ("sha256", "md5"):
            if value := getattr(self.origin, algorithm, None):
                return f"{algorithm}:{value}"
        return None

    @property
    def served_names(self) -> tuple[str, ...]:
        """The models that `tuft models pull` publishes."""
        if isinstance(self.origin, OwnCheckpoint):
            return tuple(f"inspyrenet_{size}" for size in self.origin.sizes)
        return (self.name,)
