"""``bin/lab grade``."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from grader.commands.options import course_option, json_option, student_option
from lab.progress import console, say

if TYPE_CHECKING:
    from grader.judging.results import Result


@click.command("grade")
@click.argument("assignment")
@student_option
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    show_default="one for each processor, as far as memory allows",
    help="Submissions graded at the same time.",
)
@click.option("--regrade", is_flag=True, help="Grade unchanged submissions again as well.")
@click.option(
    "--question",
    "questions",
    multiple=True,
    metavar="Q",
    help=(
        "Grade again, and store only this check (the id of its cell); may be given more than once."
    ),
)
@json_option()
@click.option(
    "--cell-seconds",
    type=click.FloatRange(1),
    default=60,
    show_default=True,
    help="The most that one cell of a student may take.",
)
@click.option(
    "--submission-seconds",
    type=click.FloatRange(1),
    default=600,
    show_default=True,
    help="The most that all cells of a student may take together.",
)
@course_option("solutions/, submitted/ and the gradebook")
def grade_command(
    assignment: str,
    students: tuple[str, ...],
    workers: int | None,
    regrade: bool,
    questions: tuple[str, ...],
    as_json: bool,
    cell_seconds: float,
    submission_seconds: float,
    course: Path,
) -> None:
    """Grade the submissions in submitted/STUDENT/ASSIGNMENT/.

    Each is run in a fresh sandbox of its own, without network. Points go to the gradebook, executed
    notebooks to autograded/, a page for each student to feedback/. A submission that cannot be
    graded is reported with its reason; the others are graded all the same.

    What was graded before and has not changed since (the submission, the exercise, the grader, the
    time limits) is not run again: its result is reported as it is in the gradebook now. So a run
    that was stopped, with Ctrl-C or the hard way, goes on where it was.

    With --question the whole notebook runs, and of work that has not changed since it was graded
    all other marks stay as they are.

    \b
    Reasons:  timeout, out-of-memory, kernel-died   graded: what came before counts
              environment                           not graded: our side failed, three times;
                                                    costs nothing
              malformed                             not graded: missing, or not a notebook
    """  # noqa: D301
    from grader.judging.results import document
    from grader.run.classrun import plan
    from grader.run.local import ensure_sandbox_image
    from grader.sandbox.interface import SandboxLimits
    from lab.machine.host import connect

    start = time.monotonic()
    client = connect()
    limits = SandboxLimits(cell_seconds=cell_seconds, submission_seconds=submission_seconds)
    run = plan(course.resolve(), assignment, students, questions)
    image = ensure_sandbox_image(client)
    # asked to end: as with Ctrl-C, no sandbox is left
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _progress(len(run.students)) as done:
        results = run.grade(
            client, image, limits, workers or limits.workers_for(client.info()), done, again=regrade
        )
    unchanged = sum(result.unchanged for result in results)
    if unchanged:
        say(f"{unchanged} unchanged, {len(results) - unchanged} graded")
    if as_json:
        content = document(assignment, time.monotonic() - start, results)
        click.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(results)
    _show_notes(results)


@contextmanager
def _progress(students: int) -> Iterator[Callable[["Result"], None]]:
    """A bar over what has to be graded; gives what hears of each result."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("Grade"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[last]}", markup=True),
    )
    with Progress(*columns, console=console, transient=True, speed_estimate_period=600) as progress:
        task = progress.add_task("Grade", total=students, last="")
        unchanged = 0

        def done(result: "Result") -> None:
            nonlocal unchanged
            unchanged += result.unchanged
            reason = f" ({result.reason})" if result.graded and result.reason else ""
            progress.update(
                task,
                total=students - unchanged,
                advance=not result.unchanged,
                last=escape(f"{result.student}: {_points(result)}{reason}"),
            )

        yield done


def _points(result: "Result") -> str:
    return (
        f"{result.points:g} of {result.max_points:g}"
        if result.graded
        else f"not graded ({result.reason})"
    )


def _show(results: Sequence["Result"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("student", "points", "reason", "seconds", "by hand", box=None, pad_edge=False)
    for result in results:
        manual = sum(check.status == "needs-grading" for check in result.checks)
        cells = (
            result.student,
            _points(result),
            result.reason or "",
            f"{result.seconds:.1f}",
            str(manual or ""),
        )
        table.add_row(*map(Text, cells))
    Console().print(table)


def _show_notes(results: Sequence["Result"]) -> None:
    for result in results:
        for note in result.notes:
            console.print(f"{result.student}: {note}", markup=False, soft_wrap=True)
