"""The templates of pages; what goes into them is escaped."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from lab.version import version

CODE = re.compile(r"`([^`]+)`")

# What cannot be seen, and what turns the direction of writing; emoji and Persian need the joiners.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""The text with each character spelled out that cannot be seen or moves others.

    >>> visible("check\u202e passed\u200b\n")
    'check\\u202e passed\\u200b\n'
    """
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def code(text: str) -> Markup:
    """The text as HTML, with what is between backticks as code.

    >>> code("`<web>` & co")
    Markup('<code>&lt;web&gt;</code> &amp; co')
    """
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(visible(text)))))  # noqa: S704  # escaped first


def points(number: float) -> str:
    """The number with its noun.

    >>> points(1), points(2.5)
    ('1 point', '2.5 points')
    """
    return f"{number:g} point{'' if number == 1 else 's'}"


PAGES = jinja2.Environment(
    autoescape=True,
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters["code"] = code
PAGES.filters["visible"] = visible
PAGES.filters["points"] = points
PAGES.globals["version"] = version
