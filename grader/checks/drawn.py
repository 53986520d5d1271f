"""Values that a test draws at random. `bin/lab grade` keeps them out of what a student reads: the
next grading draws others.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

DRAWING = {
    random: ("randint", "randrange", "getrandbits"),
    secrets: ("randbelow", "token_hex", "token_urlsafe"),
}
MIN_CHARS = 3  # shorter ones are in every message
_drawn: set[str] = set()


def watch() -> None:
    """Remember what `random` and `secrets` give from now on. For the checker's kernel, before its
    first test.
    """
    for module, names in DRAWING.items():
        for name in names:
            setattr(module, name, _remembered(getattr(module, name)))


def values() -> list[str]:
    """All values drawn so far that a message could give away, the longest first."""
    return sorted((value for value in _drawn if len(value) >= MIN_CHARS), key=len, reverse=True)[
        :200
    ]


def _remembered(draw: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(draw)
    def drawing(*arguments: Any, **options: Any) -> Any:
        value = draw(*arguments, **options)
        _drawn.add(str(value))
        return value

    return drawing
