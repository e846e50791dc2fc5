"""What runs on Windows and macOS: the client and `local` with the names removed that only POSIX or Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.tiny import tiny_repository

import tuft
import tuft_export
import tuft_local
import tuft_runtime

ROOTS = [str(Path(package.__file__).parents[1]) for package in (tuft, tuft_export, tuft_local, tuft_runtime)]

# By docs.python.org their availability is Unix or Linux, or "not Windows".
PROGRAM = f"""
import os, signal, sys
# What other libraries have bound is left to them: their Windows builds bind something else.
import asyncio, concurrent.futures, ctypes, multiprocessing, shutil, socket, subprocess, tempfile, uuid, zipfile
import cv2, jinja2, numpy, onnx, onnxruntime, PIL.Image, platformdirs, tqdm, tritonclient.grpc
PIL.Image.init()
for module, names in {{
    os: "pread pwrite preadv pwritev statvfs fstatvfs fork forkpty getuid geteuid getgid getegid chown fchown lchown "
        "fchmod sched_getaffinity getpgid setsid killpg sendfile posix_fadvise posix_fallocate memfd_create mkfifo "
        "mknod O_NONBLOCK O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NOCTTY getxattr setxattr listxattr nice sysconf uname "
        "copy_file_range splice initgroups",
    signal: "SIGKILL SIGHUP SIGPIPE SIGQUIT SIGALRM SIGUSR1 SIGUSR2 SIGCHLD alarm setitimer pthread_sigmask sigwait",
    socket: "AF_UNIX socketpair",
}}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "syslog"):
    sys.modules[name] = None
sys.path[:0] = {ROOTS!r}
from tuft.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(3):
        photograph = Image.new("RGB", (160, 120), "black")  # its brightness is what the network answers
        photograph.paste("white", (40, 30, 100 + 10 * number, 90))
        photograph.save(tmp_path / "in" / f"{number}.jpg")
    tiny_repository(tmp_path / "models", sizes=(384, 1024))
    return tmp_path


def portable(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", "HOME": str(folder / "home"), "TUFT_URL": f"local:{folder / 'models'}"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_folder_is_cut_out_and_a_second_run_has_nothing_to_do(work: Path) -> None:
    for said in ("3 of 3 photographs cut out", "3 by an earlier run"):
        done = portable(work, "remove", "in", "-o", "out", "--refine", "none")
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout
    assert sorted(path.name for path in (work / "out").glob("*.png")) == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("remove", "in/0.jpg", "--format", "webp", "--background", "white"),
        ("remove", "in/0.jpg", "-o", "one.zip", "--format", "zip", "--report", "page.html"),
        ("doctor",),
        ("config",),
        ("presets",),
    ],
    ids=" ".join,
)
def test_the_other_ways_need_nothing_of_posix_either(work: Path, arguments: tuple[str, ...]) -> None:
    done = portable(work, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_name_that_is_asked_for_the_program_would_fail(work: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("from tuft.cli", "os.pread\nfrom tuft.cli")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "has no attribute 'pread'" in done.stderr
