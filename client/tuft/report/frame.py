"""The frame of tuft's HTML pages: self-contained, with a content security policy that forbids loading anything.

`templates/page.html.j2` is the frame. Each page has a template that extends it; Jinja2 escapes all values.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment


def render_page(
    package: str,
    template: str,
    *,
    title: str,
    subtitle: str,
    styles: Sequence[str],
    script: str | None = None,
    **values: Any,
) -> str:
    """Renders a page from a template that extends `page.html.j2`.

    Args:
        package: The package that contains the template in `templates/`, and the files of styles and script.
        template: Name of the template.
        title: The heading.
        subtitle: One sentence below the heading.
        styles: Names of CSS files, inlined in this order.
        script: Name of the only script that may run; None forbids scripts.
        values: Other values for the template.

    Returns:
        HTML that can be encoded as UTF-8, even if a value contains lone surrogates, as names of files may.
    """
    from markupsafe import Markup

    code = "" if script is None else _text(package, script)
    page = (
        _environment(package)
        .get_template(template)
        .render(
            title=title,
            subtitle=subtitle,
            style=Markup("".join(_text(package, name) for name in styles)),
            script=Markup(code),
            script_hash=base64.b64encode(hashlib.sha256(code.encode()).digest()).decode(),
            **values,
        )
    )
    return page.encode("utf-8", "backslashreplace").decode()


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("tuft.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _text(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text("utf-8")
