from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.command_lines import command_paths
from support.outputs import files, mode

import tuft
from tuft import FakeTransport, cli
from tuft.cli import doctor, main
from tuft.errors import ServerOutOfMemoryError
from tuft.presets import PRESETS


def remove(*arguments: object) -> int:
    return main.main(["remove", "--size", "384", *map(str, arguments)])


def test_a_folder_is_cut_out(
    server: FakeTransport, photos: Path, tmp_path: Path, scene: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remove(photos, "-o", tmp_path / "out") == 0
    assert files(tmp_path / "out") == ["cats/tom.png", "dog.png"]
    alpha = np.asarray(Image.open(tmp_path / "out" / "dog.png"))[..., 3]
    assert np.abs(alpha / 255 - scene.alpha).mean() < 0.01
    said = capsys.readouterr()
    assert said.out == f"2 of 2 photographs cut out into {tmp_path / 'out'}\n"
    assert not said.err  # no bar where there is no terminal


def test_one_photograph_goes_to_the_file_named(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert remove(photos / "dog.png", "-o", tmp_path / "cut.webp") == 0
    assert mode(tmp_path / "cut.webp") == "RGBA"


@pytest.mark.parametrize("background", ["white", "#00ff00", "blur", "picture"])
def test_a_background(server: FakeTransport, photos: Path, tmp_path: Path, background: str) -> None:
    if background == "picture":
        background = str(tmp_path / "wall.png")
        Image.new("RGB", (9, 9), "navy").save(background)
    assert remove(photos / "dog.png", "-o", tmp_path / "cut.jpg", "--background", background) == 0
    assert mode(tmp_path / "cut.jpg") == "RGB"


def test_a_zip(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert remove(photos, "-o", tmp_path / "out", "--format", "zip") == 0
    assert files(tmp_path / "out") == ["cats/tom.zip", "dog.zip"]
    assert zipfile.is_zipfile(tmp_path / "out" / "dog.zip")


def test_a_quality_makes_small_files(server: FakeTransport, tmp_path: Path, rng: np.random.Generator) -> None:
    grainy = tmp_path / "grainy.png"
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save(grainy)
    assert remove(grainy, "-o", tmp_path / "exact.webp") == 0
    assert remove(grainy, "-o", tmp_path / "small.webp", "--quality", "30") == 0
    assert (tmp_path / "small.webp").stat().st_size < (tmp_path / "exact.webp").stat().st_size
    with Image.open(tmp_path / "exact.webp") as exact, Image.open(tmp_path / "small.webp") as small:
        assert exact.getchannel("A").tobytes() == small.getchannel("A").tobytes()


def test_what_is_asked_for_is_sent(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    asked = ("--preset", "high", "--refine", "none", "--timeout", "9", "--concurrency", "1", "--url", "gpu:9001")
    assert main.main(["remove", str(photos), "-o", str(tmp_path / "out"), *asked]) == 0
    assert server.requests == ["inspyrenet_1536"] * 2


def test_a_smaller_preset_is_told(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.failures.append(ServerOutOfMemoryError("full"))
    asked = ("--preset", "high", "--refine", "none", "--concurrency", "1")
    assert main.main(["remove", str(photos), "-o", str(tmp_path / "out"), *asked]) == 0
    assert ", 1 by a smaller preset" in capsys.readouterr().out


def test_existing_files_are_replaced_or_skipped(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "dog.png").write_text("old")
    assert remove(photos, "-o", out, "--skip-existing") == 0
    assert (out / "dog.png").read_text() == "old"
    assert len(server.requests) == 1
    assert "1 of 1 photographs cut out" in (told := capsys.readouterr().out)
    assert ", 1 skipped (--skip-existing)" in told
    assert remove(photos, "-o", out) == 0
    assert mode(out / "dog.png") == "RGBA"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["remove"],
        ["remove", "-o", "out"],
        ["remove", "a.jpg", "-o", "out", "--preset", "best"],
        ["remove", "a.jpg", "-o", "out", "--size", "1000"],
        ["remove", "a.jpg", "-o", "out", "--refine", "more"],
        ["remove", "a.jpg", "-o", "out", "--concurrency", "0"],
        ["remove", "a.jpg", "-o", "out", "--format", "gif"],
        ["remove", "a.jpg", "-o", "out", "--quality", "101"],
        ["serve", "--runtime", "magic"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == 2
    assert "usage: tuft" in capsys.readouterr().err


@pytest.mark.parametrize("command", command_paths(main.build_parser()), ids=" ".join)
def test_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([*command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(("usage: tuft", *command)))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"tuft {tuft.__version__}\n"


def test_the_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["preset", *PRESETS]
    assert str(PRESETS["maximum"].size) in lines[list(PRESETS).index("maximum") + 1]


def test_the_doctor_tells_and_ends_with_what_it_found(
    server: FakeTransport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_tritonserver", lambda: "none")
    assert main.main(["doctor"]) == 0
    assert "fake 1 answers" in capsys.readouterr().out
    monkeypatch.setattr(server, "ready_versions", lambda model: ())
    assert main.main(["doctor", "--preset", "high"]) == 1
    assert "high is not ready" in capsys.readouterr().out


def test_serve_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[Any] = []
    monkeypatch.setattr(cli.serve, "serve", lambda options: (given.append(options), 7)[1])
    asked = ("--repository", tmp_path, "--runtime", "python", "--sizes", 384, 1024, "--grpc-port", 0, "--verbose")
    assert main.main(["serve", *map(str, asked)]) == 7
    (options,) = given
    assert (options.repository, options.runtime, options.sizes) == (tmp_path, "python", (384, 1024))
    assert (options.host, options.http_port, options.grpc_port) == ("127.0.0.1", 8000, 0)
    assert options.log_verbose
    assert options.keep_compiled
    assert main.main(["serve", "--no-compiled-cache"]) == 7
    assert not given[1].keep_compiled
