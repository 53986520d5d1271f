"""The numbers of a class: points, checks, the commonest mistakes, what to read and look at."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grader.archive import printable
from grader.judging.results import Check, Result
from grader.pages.similarity import Pair
from grader.pages.template import points

# names, ports and numbers that differ from student to student
DRAWN = re.compile(r"\b(?=\w*\d)[\w.-]*\b")
MESSAGES = 3  # of each check
SLOW = 3  # how many times the median is slow
REASONS = {
    "timeout": "a cell or a test did not end in time",
    "out-of-memory": "more memory than allowed",
    "kernel-died": "the kernel ended",
    "environment": "not graded yet, or our side failed: grade again",
    "over-limit": "grading it needed more memory or time than allowed",
    "malformed": "could not be read as the notebook",
}


@dataclass(frozen=True)
class CheckSummary:
    """One check over the class. ``messages``: (an example, how many like it)."""

    name: str
    max_points: float
    passed: int
    partly: int
    failed: int
    skipped: int
    waiting: int
    messages: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class NeedsAttention:
    """A submission that a person should look at, and why."""

    student: str
    why: tuple[str, ...]
    to_read: int = 0

    @property
    def look_at(self) -> tuple[str, ...]:
        """What is out of the ordinary: answers to read are not."""
        ordinary = _reading(self.to_read)
        return tuple(reason for reason in self.why if reason != ordinary)


@dataclass(frozen=True)
class Report:
    """An assignment's numbers; ``points`` and ``seconds`` are of the graded."""

    assignment: str
    students: int
    graded: int
    max_points: float
    points: tuple[float, ...]
    seconds: tuple[float, ...]
    checks: tuple[CheckSummary, ...]
    reasons: dict[str, int]
    look: tuple[NeedsAttention, ...]
    alike: tuple[Pair, ...] = ()

    @property
    def mean(self) -> float:
        return statistics.fmean(self.points) if self.points else 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.points) if self.points else 0.0

    @property
    def to_read(self) -> int:
        """How many answers wait for a person."""
        return sum(look.to_read for look in self.look)

    @property
    def look_at(self) -> list[NeedsAttention]:
        """Who needs a look for more than answers to read."""
        return [look for look in self.look if look.look_at]

    def as_json(self) -> dict[str, Any]:
        """The document of ``bin/lab report --json``."""
        return {**asdict(self), "mean": self.mean, "median": self.median}


def summarise(assignment: str, results: Sequence[Result], alike: Sequence[Pair] = ()) -> Report:
    """The report on the last results of a class."""
    graded = [result for result in results if result.graded]
    checks = [
        _summarise_check([result.checks[number] for result in graded])
        for number in range(max((len(result.checks) for result in graded), default=0))
    ]
    slow = SLOW * statistics.median(result.seconds for result in graded) if graded else 0.0
    looks = [
        NeedsAttention(printable(result.student), tuple(_why(result, slow)), _waiting(result))
        for result in results
    ]
    return Report(
        assignment=assignment,
        students=len(results),
        graded=len(graded),
        max_points=max((result.max_points for result in graded), default=0.0),
        points=tuple(result.points for result in graded),
        seconds=tuple(result.seconds for result in graded),
        checks=tuple(checks),
        reasons=dict(Counter(result.reason for result in results if result.reason).most_common()),
        look=tuple(look for look in looks if look.why),
        alike=tuple(alike),
    )


def _summarise_check(checks: Sequence[Check]) -> CheckSummary:
    statuses = Counter(
        "partly" if check.status == "failed" and check.points else check.status for check in checks
    )
    wrong = [check.message for check in checks if check.status == "failed" and check.message]
    return CheckSummary(
        name=checks[0].name,
        max_points=checks[0].max_points,
        passed=statuses["passed"],
        partly=statuses["partly"],
        failed=statuses["failed"],
        skipped=statuses["skipped"],
        waiting=statuses["needs-grading"],
        messages=tuple(commonest(wrong)[:MESSAGES]),
    )


def commonest(messages: Sequence[str]) -> list[tuple[str, int]]:
    """Messages that differ only in what was drawn for a student counted as one: (an example, how
    many), the commonest first.

    >>> commonest(["Port 8081 is closed.", "It is off.", "Port 9090 is closed."])
    [('Port 8081 is closed.', 2), ('It is off.', 1)]
    """
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for message in messages:
        kind = DRAWN.sub("…", message)
        examples.setdefault(kind, message)
        counts[kind] += 1
    return [(examples[kind], count) for kind, count in counts.most_common()]


def _waiting(result: Result) -> int:
    return sum(check.status == "needs-grading" for check in result.checks)


def _reading(answers: int) -> str:
    return "an answer to read" if answers == 1 else f"{answers} answers to read"


def _why(result: Result, slow: float) -> list[str]:
    waiting = _waiting(result)
    reasons = [f"{result.reason}: {REASONS[result.reason]}"] if result.reason else []
    reasons += [_reading(waiting)] if waiting else []
    reasons += (
        [f"took {result.seconds:.0f} s"] if result.graded and result.seconds > slow > 0 else []
    )
    reasons += (
        [f"handed in late: {points(result.late_penalty)} less"] if result.late_penalty else []
    )
    return reasons + list(result.notes)
