"""Text cells of a student as they can be shown: rendering them must neither fail nor take for ever,
for whoever reads them.
"""

import re
from collections.abc import Mapping
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
IMAGES = ("image/png", "image/jpeg")
MAX_RENDERED_CHARS = (
    10_000  # of one cell: rendering takes the square of it, or worse, for text made to that end
)
MAX_PICTURE_CHARS = 5_000_000

Attachments = dict[str, dict[str, str]]


def pictures(attachments: Any) -> Attachments:
    """The pictures that were pasted into a cell; anything else is left behind."""
    if not isinstance(attachments, Mapping):
        return {}
    kept = {str(name): _picture(data) for name, data in attachments.items()}
    return {name: data for name, data in kept.items() if data}


def shown(source: str, attachments: Attachments, most: int = MAX_RENDERED_CHARS) -> str:
    """The text of a cell, or where it cannot be rendered (too long, a picture that is not there)
    the same as a block of code.
    """
    try:
        if len(source) > most:
            raise ValueError("too long")
        MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=attachments)).render(
            source
        )
    except Exception:  # whatever stops it here would stop the feedback page, and formgrader
        return "".join(f"    {line}\n" for line in source.splitlines())
    return source


def _picture(data: Any) -> dict[str, str]:
    if not isinstance(data, Mapping):
        return {}
    return {
        mime: text
        for mime in IMAGES
        if isinstance(text := data.get(mime), str)
        and len(text) <= MAX_PICTURE_CHARS
        and BASE64.fullmatch(text)
    }
