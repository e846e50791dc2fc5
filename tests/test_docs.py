"""Every block of the README and the docs is executed, or says by its kind why it cannot be; no link is broken."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import skimage.data
from PIL import Image
from support import published
from support.outputs import mode
from support.walk import Walk, as_in_a_clone, installed_wheel

from tuft import load_settings

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\S*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")

# Why a block is not executed here; it is the second word of its fence. A new reason needs a good one.
REASONS = {
    "make": "sets up an environment of its own, or runs these tests",
    "gpu": "builds or serves engines on a GPU",
    "docker": "needs a Docker daemon and NVIDIA's registry",
    "cluster": "needs a Kubernetes cluster",
    "registry": "resolves and downloads packages",
    "yours": "needs a program of the reader's",
}
# `sh serve` runs until it is stopped, `text` is output.
EXECUTED = {("sh", ""), ("sh", "serve"), ("python", ""), ("toml", ""), ("text", "")}


class Block(NamedTuple):
    language: str
    kind: str
    text: str


def blocks(name: str) -> list[Block]:
    return [Block(language, kind, text) for language, kind, text in FENCE.findall((ROOT / name).read_text())]


# In this order, in one folder: the README publishes what later pages verify.
NAMES = ["README.md", *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))]
BLOCKS = {str(page.relative_to(ROOT)): blocks(str(page.relative_to(ROOT))) for page in PAGES}


def chosen(language: str, kind: str = "") -> list[str]:
    """The blocks of a kind on all pages, each once."""
    everywhere = (block for page in BLOCKS.values() for block in page)
    return list(dict.fromkeys(block.text for block in everywhere if (block.language, block.kind) == (language, kind)))


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_every_block_is_executed_or_gives_a_reason(name: str) -> None:
    for block in BLOCKS[name]:
        assert (block.language, block.kind) in EXECUTED or (block.language == "sh" and block.kind in REASONS), block
    if name not in NAMES:
        assert not {block.kind for block in BLOCKS[name] if block.language == "sh"} - set(REASONS), "it is not walked"


def test_every_reason_is_needed_and_the_list_stays_short() -> None:
    given = {block.kind for page in BLOCKS.values() for block in page if block.language == "sh"}
    assert given - {"", "serve"} == set(REASONS)
    assert len(REASONS) <= 6


def test_the_readme_fits_on_three_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


@pytest.mark.parametrize("name", sorted(str(page.relative_to(ROOT)) for page in PAGES))
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{name} links to {target}"


def test_make_targets_exist() -> None:
    for line in "".join(chosen("sh", "make")).splitlines():
        subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_what_is_not_executed_is_at_least_shell(reason: str) -> None:
    for text in chosen("sh", reason):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        assert "..." not in text, "a reader cannot run it as it stands"


def test_the_settings_file_is_one(tmp_path: Path) -> None:
    (text,) = (block.text for block in BLOCKS["docs/settings.md"] if block.language == "toml")
    (tmp_path / "tuft.toml").write_text(text)
    assert load_settings(tmp_path / "tuft.toml").preset == "high"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A folder like a user's after `make demo`, beside which `make serve` is running."""
    folder = tmp_path_factory.mktemp("walk")
    as_in_a_clone(folder)
    dog = Image.fromarray(skimage.data.chelsea())
    dog.save(folder / "dog.jpg", quality=95)
    dog.reduce(3).save(folder / "walk.gif", save_all=True, append_images=[dog.reduce(3).transpose(0)], duration=100)
    published.birefnet(folder / "birefnet.onnx", shape=(1, 3, 1024, 1024))
    walk = Walk(folder, installed_wheel(tmp_path_factory.mktemp("installed")))
    walk.shell("tuft-export publish --checkpoint demo --runtime python")
    walk.start("tuft serve")
    yield walk
    walk.stop()


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if any(block.kind not in REASONS for block in BLOCKS[name])])
def test_walk(walk: Walk, name: str) -> None:
    """Every command of a page runs as written, after those of the pages before."""
    walk.new_terminal()
    said = ""
    for block in BLOCKS[name]:
        if block.kind == "serve":
            walk.start(block.text)
        elif block.language == "python":
            walk.python(block.text)
        elif (block.language, block.kind) == ("sh", ""):
            said += walk.shell(block.text)
    if name == "docs/rollout.md":
        for told in (
            "is given 1% of the requests",
            "is given 100% of",
            "version 2 serves all requests",
            "version 1 serves",
        ):
            assert told in said
        assert "\nDelete inspyrenet_1024/2 from the model repository" in said
    if name == "README.md":
        assert mode(walk.folder / "dog.png") == mode(walk.folder / "cutouts" / "dog.png") == "RGBA"
        assert (walk.folder / "cutouts" / "dog.webp").exists()
        assert (walk.folder / "cutouts" / "report.html").exists()


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert 'id="tuft.Client.remove"' in (tmp_path / "reference" / "client.html").read_text()
    for page in tmp_path.rglob("*.html"):  # nothing is loaded from another host
        assert not re.search(r"<(script|img|link)[^>]+(src|href)=\"?https?://", page.read_text()), page
