"""What judges work. Test cells write `from grader import container, pod, given, credit`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.checks import (
        CheckFailed,
        EnvironmentProblem,
        configmap,
        container,
        credit,
        deployment,
        dockerfile,
        file,
        given,
        image,
        pod,
        secret,
        service,
    )

__all__ = [
    "CheckFailed",
    "EnvironmentProblem",
    "configmap",
    "container",
    "credit",
    "deployment",
    "dockerfile",
    "file",
    "given",
    "image",
    "pod",
    "secret",
    "service",
]


def __getattr__(name: str) -> Any:
    """Loads the checks when the first of them is asked for: the command line does without them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("grader.checks"), name)
