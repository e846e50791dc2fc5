"""What the site needs beyond plain Markdown, so that the same pages stay readable on a forge.

Pages outside `docs/` become part of the site, and links between files of the repository become links of the site.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "export/tuft_export/demo/README.md",
    "export/tuft_export/matting/README.md",
    "model_repository/README.md",
    "training/README.md",
)
SOURCES = "repository"  # the folder of the site with copies of linked source files
_KIND = re.compile(r"^(```\w+) \w+$", re.MULTILINE)  # ```sh gpu: the kind is for tests/test_docs.py
_LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie beside the code that they describe."""
    for page in PAGES:
        files.append(File.generated(config, page, abs_src_path=str(ROOT / page)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Removes the kinds of code blocks, and points links at pages and files of the site."""
    here = page.file.src_uri
    folder = PurePosixPath(here if here in PAGES else f"docs/{here}").parent

    def site_link(match: re.Match[str]) -> str:
        text, target, anchor = match[1], os.path.normpath(folder / match[2]), match[3] or ""
        if (ROOT / target).is_dir():
            return text
        if target.startswith("docs/"):
            uri = target.removeprefix("docs/")
        elif target in PAGES:
            uri = target
        elif (ROOT / target).is_file():
            uri = f"{SOURCES}/{target}"
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / target)))
        else:
            return match[0]  # MkDocs reports the broken link
        return f"[{text}]({os.path.relpath(uri, PurePosixPath(here).parent)}{anchor})"

    return _LINK.sub(site_link, _KIND.sub(r"\1", markdown))
