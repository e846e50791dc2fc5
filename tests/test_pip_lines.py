"""Every printed `pip install` names this distribution and an extra that it has: `tuft` on PyPI is another project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tuft.settings.sources import tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = set(PROJECT["optional-dependencies"])

# What follows `pip install` up to the end of the command: quotes belong to it, a sentence does not.
LINE = re.compile(
    r"\b(?:pip3?|pipx|uv tool|uv add)\s+(?:install\s+)?(?P<flags>(?:--?[\w-]+\s+)*)"
    r"(?P<what>(?:'[^']+'|\"[^\"]+\"|[\w.\[\]/,<>=~-]+)+)"
)
WITH_EXTRA = re.compile(r"(?<![/\w])tuft(?P<rest>(?:-[\w-]+)?)\[(?P<extras>[\w, -]+)\]")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = {".py", ".md", ".toml", ".txt", ".sh", ".yaml", ".yml", ".html", ".j2", ".js", ".Dockerfile", ""}
    names = (Path(name) for name in listed.split("\0") if name)
    return [ROOT / name for name in names if name.suffix in texts and name != Path(__file__).relative_to(ROOT)]


def problems(text: str) -> list[str]:
    """What is wrong in a text: names and extras that are not ours."""
    found = [
        match[0] for match in LINE.finditer(text) if re.fullmatch(r"""['"]?tuft(?!-matting)[\w-]*.*""", match["what"])
    ]
    for match in WITH_EXTRA.finditer(text):
        extras = {extra.strip() for extra in match["extras"].split(",")}
        if match["rest"] != "-matting" or not extras <= EXTRAS:
            found.append(match[0])
    return found


def test_every_line_names_this_distribution_and_extras_that_it_has() -> None:
    files = [file for file in tracked() if file.is_file()]
    read = {file: file.read_text("utf-8", errors="replace") for file in files}
    assert {file: found for file, text in read.items() if (found := problems(text))} == {}
    named = [match for text in read.values() for match in WITH_EXTRA.finditer(text)]
    assert len(named) > 20  # the expressions still find them


@pytest.mark.parametrize(
    "text",
    [
        "pip install tuft",
        "pip install --upgrade 'tuft[server]'",
        "run `pip install tuft-export`",
        "pip install 'tuft-matting[serve]'",
        "pip install 'tuft-matting[local,nothing]'",
        'uv pip install "tuft[local]"',
        "needs tuft[heif]",
    ],
)
def test_a_line_of_another_name_is_found(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install 'tuft-matting[local]'",
        "pip install tuft-matting",
        "pip install 'tritonclient[grpc]'",
        "pip install .",
    ],
)
def test_a_right_line_is_none(text: str) -> None:
    assert not problems(text)


def test_the_page_says_once_that_the_two_exclude_each_other() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    saying = [page.name for page in pages for _ in re.finditer("cannot share an environment", page.read_text())]
    assert saying == ["install.md"]
