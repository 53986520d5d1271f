"""``bin/lab report``: what a class has learned, on one page: points, checks, the commonest
mistakes, and who needs a look.

Made from what is recorded (grader/gradebook/journal.py) and the marks in the gradebook; nothing is
run. The page needs nothing from elsewhere and runs no script; all that students wrote is escaped.
"""

import csv
import io
import json
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import jinja2

from lab.course import ROOT
from lab.errors import LabError
from lab.progress import say
from lab.version import version

DRAWN = re.compile(
    r"\b(?=\w*\d)[\w.-]*\b"
)  # names, ports and numbers that differ from student to student
MESSAGES = 3  # of each check
SLOW = 3  # how many times the median is slow
PAGE = jinja2.Environment(
    autoescape=True,
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    trim_blocks=True,
    lstrip_blocks=True,
)
REASONS = {
    "timeout": "a cell or a test did not end in time",
    "out-of-memory": "more memory than allowed",
    "kernel-died": "the kernel ended",
    "environment": "our side failed: grade again",
    "malformed": "could not be read as the notebook",
}


@dataclass(frozen=True)
class CheckSummary:
    """One check over the class. ``messages``: the commonest failures as (an example, how many like
    it).
    """

    name: str
    max_points: float
    passed: int
    partly: int
    failed: int
    skipped: int
    waiting: int
    messages: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Look:
    """A submission that a person should look at, and why."""

    student: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """An assignment's numbers. ``points`` and ``seconds`` are of the graded submissions, in the
    order of the students' names.
    """

    assignment: str
    students: int
    graded: int
    max_points: float
    points: tuple[float, ...]
    seconds: tuple[float, ...]
    checks: tuple[CheckSummary, ...]
    reasons: dict[str, int]
    look: tuple[Look, ...]
    alike: tuple[Any, ...] = ()

    @property
    def mean(self) -> float:
        return statistics.fmean(self.points) if self.points else 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.points) if self.points else 0.0

    def as_json(self) -> dict[str, Any]:
        """The document of ``bin/lab report --json``."""
        return {**asdict(self), "mean": self.mean, "median": self.median}


def summarise(assignment: str, results: Sequence[Any], alike: Sequence[Any] = ()) -> Report:
    """The report on the last results of a class (``grader.judging.results.Result``)."""
    graded = [result for result in results if result.graded]
    checks = [
        _summary([result.checks[number] for result in graded])
        for number in range(max((len(result.checks) for result in graded), default=0))
    ]
    slow = SLOW * statistics.median(result.seconds for result in graded) if graded else 0.0
    looks = [Look(result.student, tuple(_why(result, slow))) for result in results]
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


def _summary(checks: Sequence[Any]) -> CheckSummary:
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


def _why(result: Any, slow: float) -> list[str]:
    waiting = sum(check.status == "needs-grading" for check in result.checks)
    reasons = [f"{result.reason}: {REASONS[result.reason]}"] if result.reason else []
    reasons += (
        [f"{waiting} answers to read" if waiting > 1 else "an answer to read"] if waiting else []
    )
    reasons += (
        [f"took {result.seconds:.0f} s"] if result.graded and result.seconds > slow > 0 else []
    )
    reasons += (
        [f"handed in late: less {result.late_penalty:g} points"] if result.late_penalty else []
    )
    return reasons + list(result.notes)


def page(report: Report) -> str:
    """The HTML page."""
    from grader.pages.plots import checks_plot, points_plot, seconds_plot

    plots = {
        "points": points_plot(report),
        "checks": checks_plot(report),
        "seconds": seconds_plot(report),
    }
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return PAGE.get_template("report.html.jinja").render(
        report=report, plots=plots, reasons=REASONS, made=made, version=version()
    )


def table(report: Report) -> str:
    """The checks as CSV."""
    from grader.pages.export import harmless

    text = io.StringIO()
    columns = [
        "check",
        "max_points",
        "passed",
        "partly",
        "failed",
        "skipped",
        "waiting",
        "commonest_message",
        "times",
    ]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for check in report.checks:
        message, times = check.messages[0] if check.messages else ("", 0)
        numbers = (check.passed, check.partly, check.failed, check.skipped, check.waiting)
        writer.writerow(
            [harmless(check.name), f"{check.max_points:g}", *numbers, harmless(message), times]
        )
    return text.getvalue()


@click.command("report")
@click.argument("assignment")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the page goes.  [default: report-ASSIGNMENT.html]",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the checks as a table.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the numbers as one JSON document and write no page.",
)
@click.option(
    "--course",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ROOT,
    show_default="this checkout",
    help="The folder that holds submitted/ and the gradebook.",
)
def report_command(
    assignment: str, output: Path | None, csv_file: Path | None, as_json: bool, course: Path
) -> None:
    """Write one page about a graded assignment: points, checks, the commonest mistakes, time, and
    who needs a look.

    It shows what the last gradings recorded and the marks given by hand since; nothing is run.
    Similar notebooks are a hint, never a verdict.
    """
    from grader.pages.similarity import similar_pairs
    from grader.run.classrun import last_results

    root = course.resolve()
    results = last_results(root, assignment)
    if not results:
        raise LabError(
            f"Nothing of {assignment} has been graded in {root}.", f"bin/lab grade {assignment}"
        )
    report = summarise(assignment, results, similar_pairs(root, assignment))
    if csv_file:
        csv_file.write_bytes(table(report).encode())
        say(f"Wrote {csv_file}.")
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    output = output or Path(f"report-{assignment}.html")
    output.write_text(page(report), encoding="utf-8")
    say(f"Wrote {output}: open it in a browser.")


commands = [report_command]
