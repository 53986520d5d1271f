"""What a verdict depends on beside the submission: when one of these changes, work is graded again.

The rest of the grader (pages, commands, the gradebook) and of the lab image is not in it.
"""

import hashlib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from grader.course import Course, source_hash
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits

PACKAGE = Path(__file__).parents[1]
JUDGES = ("checks", "judging", "sandbox/inside")  # folders of the package


@dataclass(frozen=True)
class JudgedBy:
    """``code``, ``exercise`` and ``images`` stand for their contents."""

    code: str
    exercise: str
    images: str
    limits: SandboxLimits

    @classmethod
    def now(
        cls, course: Course, assignment: str, image: SandboxImage, limits: SandboxLimits
    ) -> "JudgedBy":
        """As they are now; a template's name ends in the hash of what made it."""
        return cls(
            code_hash(PACKAGE), source_hash(course, assignment), image.template or "", limits
        )

    def parts(self) -> tuple[object, ...]:
        """What goes into a submission's key; it does not depend on the names of classes."""
        limits = sorted(asdict(self.limits).items())
        return self.code, self.exercise, self.images, limits


@cache
def code_hash(package: Path) -> str:
    """Stands for the code that judges."""
    digest = hashlib.sha256()
    for folder in JUDGES:
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
