"""The templates of pages; what goes into them is escaped."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from lab.version import version

CODE = re.compile(r"`([^`]+)`")


def code(text: str) -> Markup:
    """The text as HTML, with what is between backticks as code.

    >>> code("`<web>` & co")
    Markup('<code>&lt;web&gt;</code> &amp; co')
    """
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped first


PAGES = jinja2.Environment(
    autoescape=True,
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters["code"] = code
PAGES.globals["version"] = version
