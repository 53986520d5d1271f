"""What a grading run says about a submission, checked where it is made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from grader.archive import printable
from grader.judging.notes import limited
from grader.sandbox.interface import Reason
from lab.version import version

CheckStatus = Literal["passed", "failed", "skipped", "needs-grading"]

NO_ANSWER = (
    "There is no answer here.\nExpected: an answer in your own words.\nTry: write one below the"
    " question in your notebook, and save it before it is graded again."
)
MAX_NAME_CHARS = 200
MAX_MESSAGE_CHARS = 4_000


@dataclass(frozen=True)
class Check:
    """The verdict on one graded cell. Raises ValueError for points or a status that cannot be."""

    name: str
    points: float
    max_points: float
    status: CheckStatus
    message: str = ""

    def __post_init__(self) -> None:
        if not (
            math.isfinite(self.points)
            and math.isfinite(self.max_points)
            and 0 <= self.points <= self.max_points
        ):
            raise ValueError(f"{self.points} of {self.max_points} points")
        if self.status not in get_args(CheckStatus):
            raise ValueError(f"status {self.status!r}")
        object.__setattr__(self, "name", printable(self.name)[:MAX_NAME_CHARS])
        object.__setattr__(self, "message", printable(self.message, kept="\n")[:MAX_MESSAGE_CHARS])


@dataclass(frozen=True)
class Outcome:
    """What running one notebook gave. ``checks`` is by ``grade_id``, without the manual ones.

    The student reads ``notes``, too; ``technical`` is for the instructor alone.
    """

    checks: dict[str, Check] = field(default_factory=dict)
    reason: Reason | None = None
    notes: list[str] = field(default_factory=list)
    technical: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Outcome":
        """As ``dataclasses.asdict`` wrote it."""
        checks = {grade_id: Check(**check) for grade_id, check in fields["checks"].items()}
        return cls(**{**fields, "checks": checks})


@dataclass(frozen=True)
class Result:
    """One submission. ``notes`` are for the instructor: repairs, files left out, what went wrong in
    the sandbox.

    ``points`` are those of the checks less ``late_penalty``, and never below zero.
    ``unchanged``: it was graded by an earlier run, and nothing has changed since.
    """

    student: str
    checks: list[Check]
    reason: Reason | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    late_penalty: float = 0.0
    unchanged: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", limited(self.notes))

    @property
    def graded(self) -> bool:
        """Without a grade it loses nothing: it could not be read, or our side failed."""
        return self.reason not in ("environment", "malformed", "over-limit")

    @property
    def points(self) -> float:
        return max(sum(check.points for check in self.checks) - self.late_penalty, 0.0)

    @property
    def max_points(self) -> float:
        return sum(check.max_points for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """One entry of ``submissions`` in the document of ``bin/lab grade --json``."""
        return {
            "student": printable(self.student),
            "status": "graded" if self.graded else "not-graded",
            "reason": self.reason,
            "points": self.points,
            "max_points": self.max_points,
            "late_penalty": self.late_penalty,
            "seconds": round(self.seconds, 3),
            "checks": [
                {
                    "name": check.name,
                    "points": check.points,
                    "max_points": check.max_points,
                    "status": check.status,
                    "message": check.message,
                }
                for check in self.checks
            ],
        }


def document(assignment: str, seconds: float, results: Sequence[Result]) -> dict[str, Any]:
    """The document of ``bin/lab grade --json``."""
    return {
        "version": version(),
        "assignment": assignment,
        "seconds": round(seconds, 3),
        "submissions": [result.as_json() for result in results],
    }
