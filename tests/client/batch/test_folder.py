from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft.batch.folder import Outcome, run
from tuft.batch.plan import Job, plan
from tuft.errors import OptionError, ServerBusyError


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


JOBS = tuple(Job(Path(f"{number}.jpg"), Path(f"{number}.png")) for number in range(20))


def test_outcomes_come_in_order_whatever_finishes_first() -> None:
    told: list[Outcome] = []

    def work(job: Job) -> Outcome:
        time.sleep(0.02 if int(job.source.stem) % 3 == 0 else 0)
        return Outcome(job)

    report = run(JOBS, work, concurrency=4, on_outcome=told.append)
    assert report
    assert tuple(told) == report.outcomes
    assert [outcome.job for outcome in told] == list(JOBS)


def test_one_that_fails_does_not_stop_the_others() -> None:
    def work(job: Job) -> Outcome:
        number = int(job.source.stem)
        if number == 3:
            raise ServerBusyError("full")
        if number == 5:
            raise ZeroDivisionError
        return Outcome(job, fallback_reason="full" if number == 7 else None)

    report = run(JOBS, work)
    assert not report
    assert [outcome.job.source.stem for outcome in report.failures] == ["3", "5"]
    assert isinstance(report.failures[0].error, ServerBusyError)
    assert [outcome.job.source.stem for outcome in report.fallbacks] == ["7"]
    assert len(report.outcomes) == len(JOBS)


def test_no_more_at_once_than_allowed() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(job: Job) -> Outcome:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return Outcome(job)

    run(JOBS, work, concurrency=3)
    assert most == 3


def test_an_interruption_drops_what_has_not_begun() -> None:
    begun = []

    def work(job: Job) -> Outcome:
        begun.append(job)
        time.sleep(0.05)
        return Outcome(job)

    def interrupt(_: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(JOBS, work, concurrency=2, on_outcome=interrupt)
    time.sleep(0.2)
    assert len(begun) <= 5


def test_nothing_to_do_is_done() -> None:
    assert run((), Outcome)
