"""The checks that test cells call: nouns of Docker, facts as properties, `must_*` that raise three lines.

`docs/checks.md` is the reference.
"""

from grader.checks.containers import Container, container
from grader.checks.dockerfiles import Dockerfile, dockerfile
from grader.checks.files import File, file
from grader.checks.images import Image, image
from grader.checks.partial import credit
from grader.checks.values import Given, given
from grader.checks.verdict import CheckFailed, EnvironmentProblem

__all__ = [
    "CheckFailed",
    "Container",
    "Dockerfile",
    "EnvironmentProblem",
    "File",
    "Given",
    "Image",
    "container",
    "credit",
    "dockerfile",
    "file",
    "given",
    "image",
]
