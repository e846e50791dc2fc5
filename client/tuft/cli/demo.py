"""`tuft demo`: cuts sample photographs out with every preset and shows the results on one page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from tqdm import tqdm

from tuft import imaging
from tuft.cli._shared import DONE, add_command, add_repository, computes_here, print_error
from tuft.client import Client
from tuft.errors import ImageError, SetupError
from tuft.files import make_folder, write_atomically
from tuft.inference.transport.connect import LOCAL
from tuft.presets import PRESETS
from tuft.report import LONG_SIDE_PX, Exhibit, Layer, Run, html_report, layers_of, note_of
from tuft.serve import ServeOptions, running_server
from tuft.serve.discovery import repository_to_serve
from tuft.serve.locate import find_tritonserver

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tuft.cli._shared import Commands

# Photographs that scikit-image ships, public domain or CC0.
_SAMPLES: Final = ("chelsea", "astronaut", "coffee", "rocket")

PAGE_NAME: Final = "index.html"


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "demo", _run, "show every preset on sample photographs, on one page")
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photographs of your own instead")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/demo"), metavar="OUT", help="%(default)s")
    parser.add_argument("--url", help="a running server's gRPC address, or local to compute in this process; "
                        "by default a server is started, if there is a tritonserver")  # fmt: skip
    add_repository(parser)


def _run(arguments: argparse.Namespace) -> int:
    url = arguments.url or _local_without_tritonserver()
    if url is None:
        options = ServeOptions(repository_to_serve(arguments.repository), http_port=0, grpc_port=0, metrics_port=0)
        print("Starting a server ...", flush=True)
        with running_server(options) as addresses:
            page = demo(DemoOptions(addresses.grpc, tuple(arguments.photos), arguments.output))
    else:
        page = demo(DemoOptions(url, tuple(arguments.photos), arguments.output))
    print(f"The cut-outs and the page that shows them are in {page.parent}: open {page}")
    return DONE


def _local_without_tritonserver() -> str | None:
    """The address of this process if it can compute and no server can be started here; else None."""
    try:
        find_tritonserver()
    except SetupError:
        if computes_here():
            print_error(f"there is no tritonserver, so this process computes (--url {LOCAL})")
            return LOCAL
    return None


@dataclass(frozen=True)
class DemoOptions:
    """Server, photographs and output folder of the demo.

    Attributes:
        url: Address of a running server's gRPC port.
        photos: Files; the samples of scikit-image if there are none.
        folder: Where the cut-outs and the page are written.
    """

    url: str
    photos: tuple[Path, ...] = ()
    folder: Path = Path("out/demo")


def demo(options: DemoOptions) -> Path:
    """Runs every photograph through every preset.

    Returns:
        The path of the page.

    Raises:
        SetupError: No photographs were given and scikit-image is missing.
        OutputError: The folder cannot be made.
        ImageError: A given photograph cannot be used.
        ServerError: The server failed; the class says how.
    """
    sources: list[tuple[str, Any]] = [(path.stem, path) for path in options.photos] or _samples()
    make_folder(options.folder)
    with Client(options.url) as client, tqdm(total=len(sources) * len(PRESETS), unit="cut-out") as bar:
        exhibits = [_exhibit(client, name, source, options.folder, bar) for name, source in sources]
    page = options.folder / PAGE_NAME
    photographs = "1 photograph" if len(exhibits) == 1 else f"{len(exhibits)} photographs"
    subtitle = f"{photographs}, {len(PRESETS)} presets, served by {options.url}"
    write_atomically(page, html_report(exhibits, title="tuft", subtitle=subtitle).encode())
    return page


def _samples() -> list[tuple[str, Any]]:
    try:
        import skimage.data
    except ImportError as exc:
        raise SetupError("The sample photographs come with scikit-image: pip install 'tuft-matting[demo]'.") from exc
    return [(name, getattr(skimage.data, name)()) for name in _SAMPLES]


def _exhibit(client: Client, name: str, source: Any, folder: Path, bar: tqdm[Any]) -> Exhibit:
    photo = Layer("photograph", Image.fromarray(imaging.load_photo(source).rgb))
    layers, runs = [photo.reduced(LONG_SIDE_PX)], []
    for preset in PRESETS:
        shown, run = _with_preset(client, name, source, preset, folder)
        layers += [layer.reduced(LONG_SIDE_PX) for layer in shown]
        runs.append(run)
        bar.update()
    return Exhibit(name, layers=layers, runs=runs)


def _with_preset(client: Client, name: str, source: Any, preset: str, folder: Path) -> tuple[Sequence[Layer], Run]:
    try:
        cutout = client.remove(source, preset=preset)
    except ImageError as exc:
        # A photograph without a subject is shown as such and does not end the demo.
        return (), Run(preset, {}, str(exc))
    file = folder / f"{name}-{preset}.png"
    began_s = time.perf_counter()
    cutout.save(file)
    milliseconds = {**cutout.milliseconds, "encode": (time.perf_counter() - began_s) * 1e3}
    return layers_of(cutout, preset), Run(preset, milliseconds, note_of(cutout), file.name)
