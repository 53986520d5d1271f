"""What judges work. Test cells write `from grader import container, pod, given, credit`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.checks import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Loads the checks when the first of them is asked for: the command line does without them."""
    if name == "__all__" or not name.startswith("_"):
        checks = import_module("grader.checks")
        if name in (*checks.__all__, "__all__"):
            return getattr(checks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
