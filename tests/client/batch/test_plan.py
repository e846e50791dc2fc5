"""Which photographs are read and which files their cut-outs go to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft.batch import plan as planning
from tuft.batch.inputs import StandardInput, Url, input_from, stem_of
from tuft.batch.manifest import DONE, Entry, Manifest, Source
from tuft.batch.own_outputs import OwnOutputs
from tuft.batch.plan import STDOUT, Job, plan
from tuft.errors import OptionError
from tuft.files import file_hash


def touch(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def names(jobs: tuple[Job, ...], source: Path, target: Path) -> list[tuple[str, str]]:
    return [(job.source.relative_to(source).as_posix(), job.target.relative_to(target).as_posix()) for job in jobs]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_folder_keeps_its_structure(photos: Path, out: Path) -> None:
    touch(photos, "b.JPG", "a.png", "cats/tom.jpeg", "cats/old/tom.tif", "notes.txt", "movie.mp4")
    assert names(plan([photos], out).jobs, photos, out) == [
        ("a.png", "a.png"),
        ("b.JPG", "b.png"),
        ("cats/old/tom.tif", "cats/old/tom.png"),
        ("cats/tom.jpeg", "cats/tom.png"),
    ]


def test_hidden_things_are_left_out(photos: Path, out: Path) -> None:
    touch(photos, "a.jpg", ".b.jpg", ".cache/c.jpg", "._a.jpg")
    assert names(plan([photos], out).jobs, photos, out) == [("a.jpg", "a.png")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_pipes_and_devices_in_a_folder_are_left_out(photos: Path, out: Path) -> None:
    touch(photos, "a.jpg", "b.jpg/c.jpg")
    os.mkfifo(photos / "pipe.jpg")
    (photos / "device.jpg").symlink_to("/dev/zero")
    (photos / "pipe-link.jpg").symlink_to("pipe.jpg")
    (photos / "gone.jpg").symlink_to("nowhere.jpg")  # to be told, not to be dropped
    found = [("a.jpg", "a.png"), ("b.jpg/c.jpg", "b.jpg/c.png"), ("gone.jpg", "gone.png")]
    assert names(plan([photos], out).jobs, photos, out) == found
    assert [job.source.name for job in plan([photos / "pipe.jpg"], out).jobs] == ["pipe.jpg"]


def test_results_are_not_read_again(photos: Path) -> None:
    touch(photos, "a.jpg", "out/a.png", "out/deep/b.png")
    assert names(plan([photos], photos / "out").jobs, photos, photos / "out") == [("a.jpg", "a.png")]


def test_folders_that_are_links_are_not_followed(photos: Path, out: Path) -> None:
    touch(photos, "a.jpg")
    (photos / "again").symlink_to(photos)
    (photos / "b.jpg").symlink_to(photos / "a.jpg")
    assert names(plan([photos], out).jobs, photos, out) == [("a.jpg", "a.png"), ("b.jpg", "b.png")]


def test_one_photograph_goes_to_a_file_or_into_a_folder(photos: Path, out: Path) -> None:
    touch(photos, "a.jpg")
    photo = photos / "a.jpg"
    assert plan([photo], photos / "cut.webp").jobs == (Job(photo, photos / "cut.webp"),)
    assert plan([photo], out).jobs == (Job(photo, out / "a.png"),)
    (photos / "folder.png").mkdir()
    assert plan([photo], photos / "folder.png").jobs == (Job(photo, photos / "folder.png" / "a.png"),)


@pytest.mark.parametrize(("format", "suffix"), [("webp", ".webp"), ("zip", ".zip"), ("jpeg", ".jpg"), (None, ".png")])
def test_the_format_gives_the_suffix(photos: Path, out: Path, format: str | None, suffix: str) -> None:
    touch(photos, "a.b.jpg", "plain")
    jobs = plan([photos / "a.b.jpg", photos / "plain"], out, format=format).jobs
    assert [job.target.name for job in jobs] == [f"a.b{suffix}", f"plain{suffix}"]


def test_naming_a_photograph_twice_is_once(photos: Path, out: Path) -> None:
    touch(photos, "a.jpg")
    assert names(plan([photos / "a.jpg", photos, photos], out).jobs, photos, out) == [("a.jpg", "a.png")]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("x/a.jpg", "x/a.png"), ("a.jpg", "a.png")),
        (("x/deep/a.jpg", "x/deep/a.webp"), ("a.jpg", "a.webp")),
        (("x/a.jpg", "y/a.jpg"), ("x/a.jpg", "y/a.jpg")),
        (("x/a.jpg", "x/a.png/b.jpg"), ("x/a.jpg", "x/a.png/b.jpg")),
    ],
)
def test_two_that_would_become_one_are_refused_by_name(
    photos: Path, out: Path, files: tuple[str, ...], named: tuple[str, ...]
) -> None:
    touch(photos, *files)
    with pytest.raises(OptionError) as caught:
        plan(sorted(photos.iterdir()), out)
    for name in named:
        assert name in str(caught.value)
    assert not out.exists()


def test_a_photograph_is_never_overwritten(photos: Path) -> None:
    touch(photos, "a.png", "b.jpg")
    with pytest.raises(OptionError, match="overwrite"):
        plan([photos], photos)
    with pytest.raises(OptionError, match="overwrite"):
        plan([photos / "a.png"], photos / "a.png")
    with pytest.raises(OptionError, match="overwrite"):
        plan([photos / "a.png"], photos / ".." / "photos" / "a.png")
    (photos / "link.png").symlink_to(photos / "a.png")
    with pytest.raises(OptionError, match="overwrite"):
        plan([photos / "a.png"], photos / "link.png")
    assert plan([photos / "b.jpg"], photos).jobs == (Job(photos / "b.jpg", photos / "b.png"),)


def test_what_is_not_there(photos: Path, out: Path) -> None:
    with pytest.raises(OptionError, match="no file or folder"):
        plan([photos / "missing.jpg"], out)
    touch(photos, "notes.txt")
    with pytest.raises(OptionError, match="no photograph"):
        plan([photos], out)


def test_several_need_a_folder(photos: Path, tmp_path: Path) -> None:
    touch(photos, "a.jpg", "b.jpg")
    touch(tmp_path, "file")
    for output in (tmp_path / "out.png", tmp_path / "file"):
        with pytest.raises(OptionError, match="folder"):
            plan([photos], output)


@given(st.sets(st.text("abAB.", min_size=1, max_size=4).filter(lambda name: not name.startswith(".")), max_size=8))
def test_a_plan_never_writes_two_to_one_file_nor_over_a_source(stems: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder)
        touch(photos, *(f"{stem}.jpg" for stem in stems), "z.png")
        try:
            jobs = plan([photos], photos / "out").jobs
        except OptionError:
            return
        targets = [job.target for job in jobs]
        assert len(set(targets)) == len(targets) == len(stems) + 1
        assert not {job.source for job in jobs} & set(targets)
        assert all((photos / "out") in target.parents for target in targets)


@pytest.mark.parametrize("suffix", ["tiff", "avif", "gif", "bmp", "jpgg", "txt", "PSD"])
def test_a_suffix_that_is_not_written_makes_no_folder(photos: Path, tmp_path: Path, suffix: str) -> None:
    touch(photos, "a.jpg")
    with pytest.raises(OptionError, match=rf"(?i)no \.{suffix}: .*\.png, \.webp.*or in /"):
        plan([photos / "a.jpg"], tmp_path / f"dog.{suffix}")
    jobs = plan([photos / "a.jpg"], tmp_path / f"dog.{suffix}", is_folder=True).jobs
    assert jobs == (Job(photos / "a.jpg", tmp_path / f"dog.{suffix}" / "a.png"),)
    jobs = plan([photos / "a.jpg"], tmp_path / f"dog.{suffix}", format="png").jobs
    assert jobs == (Job(photos / "a.jpg", tmp_path / f"dog.{suffix}"),)
    touch(tmp_path, f"dog.{suffix}")
    with pytest.raises(OptionError, match="tuft writes no"):
        plan([photos / "a.jpg"], tmp_path / f"dog.{suffix}")


def test_pictures_in_a_file_of_another_format_need_a_folder(photos: Path, tmp_path: Path) -> None:
    touch(photos, "a.jpg", "b.jpg")
    with pytest.raises(OptionError, match=r"no \.tiff"):
        plan([photos], tmp_path / "all.tiff")
    for name in ("cut.outs", "v1.2", "Shoot 2024.01.05", ".hidden"):
        assert plan([photos], tmp_path / name).jobs[0].target == tmp_path / name / "a.png"
    for name in ("v1.2", "Shoot 2024.01.05", ".hidden"):
        assert plan([photos / "a.jpg"], tmp_path / name).jobs[0].target == tmp_path / name / "a.png"


def test_dots_that_are_no_suffix_stay(photos: Path, out: Path) -> None:
    named = ["Shot 2024.01.05", "Shot 2024.01.06", "v1.2", "dog.HEIC", "cat.x.dng", "a.tar", "b.jpg"]
    touch(photos, *named)
    targets = [job.target.name for job in plan([photos / name for name in named], out).jobs]
    assert targets == [
        "Shot 2024.01.05.png",
        "Shot 2024.01.06.png",
        "v1.2.png",
        "dog.png",
        "cat.x.png",
        "a.tar.png",
        "b.png",
    ]


@given(st.text("ab.1 é", min_size=1, max_size=8), st.sampled_from([".jpg", ".JPEG", ".heic", ".webp"]))
def test_only_the_suffix_of_a_picture_is_taken_off(stem: str, suffix: str) -> None:
    name = f"a{stem}"
    assert stem_of(f"{name}{suffix}") == name
    assert stem_of(name) == name


def test_names_that_differ_in_case_collide_where_case_is_ignored(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(photos, "Dog.jpg", "dog.jpeg", "x/Ä.jpg", "x/a\u0308.jpg")
    assert len(plan([photos], out).jobs) == 4
    monkeypatch.setattr(planning, "ignores_case", lambda folder: True)
    with pytest.raises(OptionError, match=r"Dog\.jpg and .*dog\.jpeg would both become"):
        plan([photos], out)
    with pytest.raises(OptionError, match="would both become"):
        plan([photos / "x"], out)
    touch(photos, "y/A/a.jpg", "y/a/A.jpg")
    with pytest.raises(OptionError, match="would both become"):
        plan([photos / "y"], out)


def test_a_photograph_is_not_overwritten_through_another_name(photos: Path, tmp_path: Path) -> None:
    touch(photos, "a.png", "b.jpg")
    os.link(photos / "a.png", tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to(photos / "a.png")
    (tmp_path / "folder").symlink_to(photos)
    for output in (tmp_path / "hard.png", tmp_path / "soft.png", tmp_path / "folder", tmp_path / "folder" / "a.png"):
        with pytest.raises(OptionError, match="overwrite"):
            plan([photos / "a.png"], output)


def cut_out(folder: Path, name: str, source: Path) -> None:
    """What a run leaves: a cut-out, and its entry in the manifest."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(f"cut-out of {source}".encode())
    Manifest(folder).record(Entry(name, "options", DONE, Source.of(source), file_hash(target)))


def test_a_second_run_into_the_same_folder(photos: Path) -> None:
    touch(photos, "a.jpg", "cats/tom.jpg")
    cut_out(photos, "a.png", photos / "a.jpg")
    cut_out(photos, "cats/tom.png", photos / "cats" / "tom.jpg")
    touch(photos, "b.jpg")
    planned = plan([photos], photos)
    assert [job.source.name for job in planned.jobs] == ["a.jpg", "b.jpg", "tom.jpg"]
    assert [file.name for file in planned.left_out] == ["a.png", "tom.png"]
    roundabout = [photos / ".." / "photos" / name for name in ("a.jpg", "a.png")]
    assert [job.source.name for job in plan(roundabout, photos).jobs] == ["a.jpg"]
    # Below the folder with the manifest, and with the names that a shell's * gives, it is the same.
    assert [job.source.name for job in plan([photos / "cats"], photos / "cats").jobs] == ["tom.jpg"]
    every = sorted(file for file in photos.iterdir() if file.is_file() and not file.name.startswith("."))
    assert [job.source.name for job in plan(every, photos).jobs] == ["a.jpg", "b.jpg"]


def test_cut_outs_in_other_folders_are_no_photographs(photos: Path) -> None:
    touch(photos, "a.jpg")
    cut_out(photos / "out", "a.png", photos / "a.jpg")
    cut_out(photos / "deep" / "out2", "x/a.png", photos / "a.jpg")
    assert names(plan([photos], photos / "out3").jobs, photos, photos / "out3") == [("a.jpg", "a.png")]
    with pytest.raises(OptionError, match="only cut-outs of earlier runs"):
        plan([photos / "out"], photos / "out3")
    assert len(plan([photos / "out" / "a.png"], photos / "out3").jobs) == 1  # named itself


def test_a_file_that_has_replaced_a_cut_out_is_a_photograph(photos: Path) -> None:
    touch(photos, "a.jpg")
    cut_out(photos / "out", "a.png", photos / "a.jpg")
    (photos / "out" / "a.png").write_bytes(b"a photograph of the same name")
    assert len(plan([photos], photos / "out2").jobs) == 2
    touch(photos / "out", "c.png")  # beside cut-outs
    assert len(plan([photos], photos / "out2").jobs) == 3


def test_without_an_output_cut_outs_are_beside_their_photographs(photos: Path, tmp_path: Path) -> None:
    touch(photos, "a.jpg", "b.png", "cats/tom.tif", "Shot 2024.01.05")
    planned = plan([photos], None)
    assert [job.target.relative_to(photos).as_posix() for job in planned.jobs] == [
        "a-cutout.png",
        "b-cutout.png",
        "cats/tom-cutout.png",
    ]
    assert planned.folder == photos
    (job,) = plan([photos / "Shot 2024.01.05"], None, format="webp").jobs
    assert job.target == photos / "Shot 2024.01.05-cutout.webp"
    for done in planned.jobs:
        done.target.touch()
    again = plan([photos], None)
    assert again.jobs == planned.jobs
    assert len(again.left_out) == 3
    assert plan(sorted(photos.glob("b*.png")), None).jobs == (Job(photos / "b.png", photos / "b-cutout.png"),)
    touch(tmp_path, "other/paper-cutout.png")  # the name alone makes no cut-out
    assert len(plan([tmp_path / "other"], None).jobs) == 1


def test_what_is_piped_goes_to_the_standard_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert plan([StandardInput()], None).jobs == (Job(StandardInput(), STDOUT),)
    assert plan([tmp_path / "pipe"], None).jobs == (Job(tmp_path / "pipe", STDOUT),)
    assert plan([tmp_path / "pipe"], tmp_path / "a.png").jobs == (Job(tmp_path / "pipe", tmp_path / "a.png"),)
    with pytest.raises(OptionError, match="both become"):
        plan([StandardInput(), tmp_path / "pipe"], None)


def test_a_device_or_a_pipe_is_a_file_whatever_its_name(photos: Path, tmp_path: Path) -> None:
    touch(photos, "a.jpg")
    os.mkfifo(tmp_path / "pipe")
    for output in (Path("/dev/null"), tmp_path / "pipe"):
        assert plan([photos / "a.jpg"], output).jobs == (Job(photos / "a.jpg", output),)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://example.com/dogs/rex.jpg?size=9#top", "rex-cutout.png"),
        ("http://example.com", "example.com-cutout.png"),
        ("HTTPS://example.com/a%20b.webp", "a b-cutout.png"),
        ("https://example.com/a%2Fb%2F..%2Fc.jpg", "c-cutout.png"),
        ("https://example.com/..", "example.com-cutout.png"),
        ("https://example.com/%00.jpg", "example.com-cutout.png"),
    ],
)
def test_a_url_names_its_cut_out_in_this_folder(address: str, name: str, tmp_path: Path) -> None:
    source = input_from(address)
    assert source == Url(address)
    assert [job.target for job in plan([source], None).jobs] == [Path(name)]
    assert plan([source], tmp_path).jobs[0].target.parent == tmp_path


def test_other_addresses_are_refused() -> None:
    assert input_from("-") == StandardInput()
    assert input_from("a:b/c.jpg") == Path("a:b/c.jpg")
    for address in ("ftp://example.com/a.jpg", "file:///etc/passwd", "s3://bucket/a.jpg"):
        with pytest.raises(OptionError, match="http"):
            input_from(address)
    for address in ("http://", "https:///a.jpg", "http://[::1"):
        with pytest.raises(OptionError, match="no server"):
            input_from(address)


def test_a_plan_while_watching_may_be_empty(photos: Path, out: Path) -> None:
    own = OwnOutputs()
    assert plan([photos], out, watching=own).jobs == ()
    touch(photos, "a.jpg", "a.png")
    assert len(plan([photos], out, watching=own).jobs) == 2
    assert len(list(planning.collisions(plan([photos], out, watching=own).jobs))) == 1
