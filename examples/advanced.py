"""Presets, backgrounds, many photographs and errors: python examples/advanced.py OUTPUT PHOTO..."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from tuft import PRESETS, Client, Cutout, ImageError, Preset, ServerError


def presets(client: Client, photo: Path) -> dict[str, Cutout]:
    """One photograph with named presets, an override, and a preset of one's own."""
    crisp = replace(PRESETS["standard"], name="crisp", refine="edges")
    wide = Preset("wide", size=1536, resize="dynamic")
    return {
        "default": client.remove(photo),
        "maximum": client.remove(photo, "maximum"),
        "unrefined": client.remove(photo, refine="none"),
        "crisp": client.remove(photo, crisp),
        "wide": client.remove(photo, wide),
    }


def backgrounds(cutout: Cutout, folder: Path) -> None:
    """Transparent, on a colour, in front of the blurred original, and as separate colour and alpha."""
    cutout.save(folder / "transparent.png")
    cutout.save(folder / "on_white.jpg", background="white", quality=95)
    cutout.over("blur").save(folder / "blurred.png")
    cutout.save(folder / "colour_and_alpha.zip")


def many(client: Client, photos: list[Path], folder: Path) -> list[str]:
    """All photographs, several at once; returns one line for each failure."""
    failures = []
    for result in client.map(photos, concurrency=4, ordered=False):
        name = photos[result.index].name
        if isinstance(result.error, ImageError):
            failures.append(f"{name}: skipped, {result.error}")
        elif isinstance(result.error, ServerError):
            failures.append(f"{name}: try again later, {result.error}")
        elif result.cutout is None:
            failures.append(f"{name}: {result.error}")
        else:
            if result.cutout.fallback_reason:
                print(f"{name}: served by {result.cutout.preset}, {result.cutout.fallback_reason}")
            result.cutout.save(folder / f"{name}.png")
    return failures


def main(arguments: list[str]) -> int:
    """Writes everything into a folder; returns the exit code."""
    folder, photos = Path(arguments[0]), [Path(argument) for argument in arguments[1:]]
    folder.mkdir(parents=True, exist_ok=True)
    with Client() as client:
        for name, cutout in presets(client, photos[0]).items():
            network_ms = cutout.milliseconds["network"]
            print(f"{name}: {cutout.model} {cutout.model_version}, network {network_ms:.0f} ms")
            cutout.save(folder / f"{name}.png")
        backgrounds(client.remove(photos[0]), folder)
        failures = many(client, photos, folder)
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
