"""Text cells of a student, which must be quick and safe to render."""

import re
from collections.abc import Mapping
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
IMAGES = ("image/png", "image/jpeg")
# of one cell: rendering takes the square of it, or worse, for text made to that end
MAX_RENDERED_CHARS = 10_000
MAX_PICTURE_CHARS = 5_000_000

Attachments = dict[str, dict[str, str]]


def keep_pictures(attachments: Any) -> Attachments:
    """The pictures that were pasted into a cell; anything else is left behind."""
    if not isinstance(attachments, Mapping):
        return {}
    kept = {
        str(name).encode("utf-8", "replace").decode(): _picture(data)
        for name, data in attachments.items()
    }
    return {name: data for name, data in kept.items() if data}


def make_showable(source: str, attachments: Attachments, most: int = MAX_RENDERED_CHARS) -> str:
    """The text of a cell, as a block of code where it cannot be rendered."""
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
