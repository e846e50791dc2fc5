"""Every block of the README and the docs is executed, or says by its kind why it cannot be; no link is broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import skimage.data
from PIL import Image
from support.outputs import mode
from support.server import DemoServer, empty_repository

from tuft import load_settings

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")


class Block(NamedTuple):
    language: str
    kind: str
    text: str


def blocks(name: str) -> list[Block]:
    return [Block(language, kind, text) for language, kind, text in FENCE.findall((ROOT / name).read_text())]


README = blocks("README.md")
# In this order, in one folder: the README publishes what later pages verify.
NAMES = ["README.md", *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))]
EXECUTED = {name: blocks(name) for name in NAMES}


def chosen(language: str, kind: str = "") -> list[str]:
    """The blocks of a kind on all pages, each once."""
    everywhere = (block for page in EXECUTED.values() for block in page)
    return list(dict.fromkeys(block.text for block in everywhere if (block.language, block.kind) == (language, kind)))


def test_every_block_has_a_known_kind() -> None:
    kinds = {(block.language, block.kind) for block in README}
    assert kinds == {("sh", ""), ("sh", "make"), ("sh", "serve"), ("sh", "elsewhere"), ("python", "")}
    for page in EXECUTED.values():
        assert {(block.language, block.kind) for block in page} <= {*kinds, ("toml", "")}


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


def test_commands_for_other_machines_are_at_least_shell() -> None:
    for text in chosen("sh", "elsewhere"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_settings_file_is_one(tmp_path: Path) -> None:
    (text,) = (block.text for block in EXECUTED["docs/settings.md"] if block.language == "toml")
    (tmp_path / "tuft.toml").write_text(text)
    assert load_settings(tmp_path / "tuft.toml").preset == "high"


@pytest.fixture
def workplace(tmp_path: Path, demo_server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a user's: a photograph, the model repository, and a server where the README expects it."""
    Image.fromarray(skimage.data.chelsea()).save(tmp_path / "dog.jpg", quality=95)
    empty_repository(tmp_path)
    monkeypatch.setenv("TUFT_URL", demo_server.url)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.server
@pytest.mark.slow
def test_shell_blocks_run(workplace: Path) -> None:
    for text in chosen("sh"):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert mode(workplace / "cutouts" / "dog.png") == "RGBA"
    assert (workplace / "cutouts" / "dog.webp").exists()
    assert (workplace / "cutouts" / "report.html").exists()


@pytest.mark.server
@pytest.mark.slow
def test_python_blocks_run(workplace: Path, demo_server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in chosen("python"):
        assert "localhost:8001" in text
        done = subprocess.run(
            [sys.executable, "-c", text.replace("localhost:8001", demo_server.url)],
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert mode(workplace / "dog.png") == "RGBA"
    assert mode(workplace / "dog-on-white.jpg") == "RGB"


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert 'id="tuft.Client.remove"' in (tmp_path / "reference" / "client.html").read_text()
    for page in tmp_path.rglob("*.html"):  # nothing is loaded from another host
        assert not re.search(r"<(script|img|link)[^>]+(src|href)=\"?https?://", page.read_text()), page
