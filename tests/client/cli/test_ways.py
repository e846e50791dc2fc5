"""The ways of photographs in and of cut-outs out: pipes, the standard streams, URLs, devices, names by default."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from support.outputs import files, mode

import tuft
from tuft import FakeTransport
from tuft.cli import main
from tuft.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = """
import functools, sys
from tuft import Client, FakeTransport
from tuft.cli.main import main

Client.from_settings = functools.partial(Client.from_settings, transport=FakeTransport())
sys.exit(main(["remove", "--url", "localhost:8001", "--size", "384", "--refine", "none", *sys.argv[1:]]))
"""
ROOT = Path(tuft.__file__).parents[1]


def remove(*arguments: object) -> int:
    return main.main(["remove", "--size", "384", *map(str, arguments)])


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Runs a line of bash in which `tuft_remove` is the command line with a fake server."""
    function = f'tuft_remove() {{ PYTHONPATH={ROOT} {sys.executable} -c "$SCRIPT" "$@"; }}; {line}'
    # Without the variable the command line would look for a server.
    environment = {**os.environ, "SCRIPT": SCRIPT, "TUFT_URL": "localhost:8001"}
    return subprocess.run(["bash", "-c", function], cwd=folder, env=environment, capture_output=True, timeout=120)


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_by_default_the_cut_out_is_beside_its_photograph(
    server: FakeTransport, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (photos / "dog.png").read_bytes()
    assert remove(photos / "dog.png") == 0
    assert mode(photos / "dog-cutout.png") == "RGBA"
    assert (photos / "dog.png").read_bytes() == before
    assert capsys.readouterr().out == f"1 of 1 photographs cut out into {photos / 'dog-cutout.png'}\n"
    assert remove(photos) == 0
    assert files(photos) == ["cats/tom-cutout.png", "cats/tom.tiff", "dog-cutout.png", "dog.png"]
    out = capsys.readouterr().out
    assert out.startswith("2 of 2 photographs cut out beside the photographs")
    assert "1 cut-out of earlier runs left out" in out
    asked = len(server.requests)
    assert remove(photos) == 0
    assert len(server.requests) == asked
    assert "2 by an earlier run" in capsys.readouterr().out


def test_the_same_folder_again_and_with_a_new_photograph(
    server: FakeTransport, photos: Path, scene: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(scene.rgb).save(photos / "dog.webp")
    (photos / "dog.png").unlink()
    for _ in range(2):
        assert remove(photos, "-o", photos) == 0
    assert len(server.requests) == 2
    Image.fromarray(np.roll(scene.rgb, 9, axis=1)).save(photos / "b.jpg")
    assert remove(photos, "-o", photos) == 0
    assert files(photos) == ["b.jpg", "b.png", "cats/tom.png", "cats/tom.tiff", "dog.png", "dog.webp"]
    assert "3 of 3 photographs" in capsys.readouterr().out
    assert remove(photos, "-o", photos / "out2") == 0
    assert "3 cut-outs of earlier runs left out" in capsys.readouterr().out
    assert len(files(photos / "out2")) == 3


def test_what_is_piped_comes_out_at_the_other_end(photos: Path) -> None:
    for line in (
        "cat dog.png | tuft_remove - -o -",
        "cat dog.png | tuft_remove - --skip-existing",
        "cat dog.png | tuft_remove /dev/stdin --format png | cat",
        "tuft_remove <(cat dog.png) -o /dev/stdout",
        "cat dog.png | tuft_remove - -o made.png && cat made.png",
        "tuft_remove - < dog.png",
        "tuft_remove dog.png -o - > made.png && cat made.png",
        "mkfifo pipe; cat pipe & tuft_remove dog.png -o pipe > said; wait",
    ):
        done = shell(line, photos)
        assert done.returncode == 0, (line, done.stderr)
        data = done.stdout.partition(b"made.png\n")[2] or done.stdout  # without the summary of a file
        assert decoded(data).mode == "RGBA", line
        assert done.stderr == b""


def test_shells_that_collect_output_keep_it(photos: Path) -> None:
    done = shell("{ printf before; tuft_remove dog.png -o /dev/stdout; printf after; } >> all && cat all", photos)
    assert done.returncode == 0
    assert done.stdout.startswith(b"before\x89PNG")
    assert done.stdout.endswith(b"after")


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("tuft_remove - -o a.png < /dev/null", 1, b"is empty"),
        ("printf text | tuft_remove - -o a.png", 1, b"no picture that tuft reads"),
        ("tuft_remove - -o - < dog.png | head -c 1 > /dev/null; exit ${PIPESTATUS[0]}", None, b""),
        ("tuft_remove dog.png -o - > /dev/full", 1, b"No space left"),
        ("tuft_remove dog.png -o /dev/full", 1, b"No space left"),
        ("tuft_remove - dog.png -o a.png < dog.png", 1, b"several cut-outs need a folder"),
        (
            "tuft_remove dog.png cats/tom.tiff -o -",
            1,
            b"The standard output is a file, and several cut-outs need a folder",
        ),
        ("tuft_remove dog.png -o - --format jpeg", 1, b"transparency"),
        ("tuft_remove gone.png -o a.png", 1, b"no file or folder"),
        ('tuft_remove "$not_set" 2>&1 >/dev/null | tail -n 1 >&2; exit ${PIPESTATUS[0]}', 2, b"An empty path is given"),
        ('tuft_remove dog.png -o "$not_set" 2>&1 | tail -n 1 >&2; exit ${PIPESTATUS[0]}', 2, b"is empty"),
    ],
)
def test_pipes_that_do_not_fit_are_told_in_one_line(photos: Path, line: str, code: int | None, said: bytes) -> None:
    done = shell(line, photos)
    assert code is None or done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == (1 if said else 0)
    assert files(photos) == ["cats/tom.tiff", "dog.png"]


@pytest.fixture
def host(photos: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(photos))) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()
        thread.join()


def test_photographs_on_the_web(
    server: FakeTransport,
    photos: Path,
    tmp_path: Path,
    host: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert remove(f"{host}/dog.png") == 0
    assert mode(tmp_path / "dog-cutout.png") == "RGBA"
    (photos / "page.html").write_text("<html>")
    assert remove(f"{host}/dog.png", f"{host}/none.png", f"{host}/page.html", photos / "cats", "-o", "out") == 1
    assert files(tmp_path / "out") == ["dog.png", "tom.png"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert f"{host}/none.png cannot be fetched (HTTP 404" in lines[0]
    assert f"{host}/page.html" in lines[1]
    assert "is a web page" in lines[1]
    # What came from the web is known as a cut-out all the same.
    assert remove("out", "-o", "again") == 1
    assert "only cut-outs of earlier runs" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["dog.tiff", "dog.jpgg", "dog.bmp"])
def test_a_format_that_is_not_written_is_told_and_nothing_is_made(
    server: FakeTransport, photos: Path, tmp_path: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remove(photos / "dog.png", "-o", tmp_path / output) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"tuft writes no {Path(output).suffix}: end the name in .png" in line
    assert not (tmp_path / output).exists()
    assert not server.requests
    assert remove(photos / "dog.png", "-o", f"{tmp_path / output}/") == 0
    assert files(tmp_path / output) == ["dog.png"]


def test_jpg_is_a_format(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert remove(photos, "-o", tmp_path / "out", "--format", "jpg", "--background", "white") == 0
    assert files(tmp_path / "out") == ["cats/tom.jpg", "dog.jpg"]


def test_private_outputs_stay_private(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    private, link = tmp_path / "private.png", tmp_path / "link.png"
    private.touch(mode=0o600)
    link.symlink_to(private)
    assert remove(photos / "dog.png", "-o", link) == 0
    assert link.is_symlink()
    assert mode(private) == "RGBA"
    assert private.stat().st_mode & 0o777 == 0o600
    assert remove(photos / "dog.png", "-o", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("wrong", ["/proc/out", "file/out", "taken", "long", "manifest"])
def test_an_output_that_cannot_be_written_is_told_once_and_before_the_network(
    server: FakeTransport, photos: Path, tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "dog.png").mkdir(parents=True)
    (tmp_path / "manifest" / ".tuft-manifest.jsonl").mkdir(parents=True)
    output = tmp_path / ("a" * 300 if wrong == "long" else wrong)
    assert remove(photos, "-o", "/proc/out" if wrong.startswith("/") else output) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line or "is a folder" in line
    assert not server.requests


def test_a_disk_that_becomes_full_ends_the_run_at_once(
    server: FakeTransport,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(30):
        (photos / f"{number:02}.png").write_bytes((photos / "dog.png").read_bytes())
    written = []

    def filling(path: Path, data: bytes) -> None:
        written.append(path)
        write_atomically(path if len(written) <= 3 else "/dev/full", data)

    monkeypatch.setattr("tuft.cutout.write_atomically", filling)
    assert remove(photos, "-o", tmp_path / "out", "--concurrency", 1, "--refine", "none") == 1
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert "No space left" in line
    assert said.out.startswith("3 of 32 photographs cut out")
    assert "with 28 to go" in said.out
    assert len(server.requests) < 12


def test_metadata_is_kept_on_request(server: FakeTransport, tmp_path: Path, scene: Any) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Lumen", 6
    Image.fromarray(scene.rgb).save(tmp_path / "dog.jpg", exif=exif)
    for options, kept in (((), None), (("--keep-metadata",), "Lumen"), ((), None)):
        assert remove(tmp_path / "dog.jpg", "-o", tmp_path / "out", *options) == 0
        with Image.open(tmp_path / "out" / "dog.png") as made:
            assert made.getexif().get(ExifTags.Base.Make) == kept
            assert made.getexif().get(ExifTags.Base.Orientation, 1) == 1
            assert ("icc_profile" in made.info) == (kept is not None)
            assert made.size == scene.rgb.shape[:2]  # turned upright
    assert len(server.requests) == 3  # another option makes another file


def test_metadata_of_what_is_piped_is_kept(photos: Path, scene: Any) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumen"
    Image.fromarray(scene.rgb).save(photos / "dog.jpg", exif=exif)
    done = shell("cat dog.jpg | tuft_remove - --keep-metadata", photos)
    assert decoded(done.stdout).getexif()[ExifTags.Base.Make] == "Lumen"


def test_isolated_files_are_not_read_here_for_their_metadata(
    server: FakeTransport, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUFT_ISOLATE_DECODING", "yes")
    assert remove(photos / "dog.png", "--keep-metadata") == 1
    assert "isolate_decoding" in capsys.readouterr().err
    assert not server.requests
