"""``bin/lab grade``."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from grader.archive import printable
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
    help="How many submissions to grade at the same time.",
)
@click.option("--regrade", is_flag=True, help="Also grade unchanged submissions again.")
@click.option(
    "--question",
    "questions",
    multiple=True,
    metavar="Q",
    help=(
        "Grade again, but store only this check (the id of its cell); may be given more than once."
    ),
)
@json_option()
@click.option(
    "--cell-seconds",
    type=click.FloatRange(1),
    default=60,
    show_default=True,
    help="Time limit for each of a student's cells.",
)
@click.option(
    "--submission-seconds",
    type=click.FloatRange(1),
    default=600,
    show_default=True,
    help="Time limit for all of a student's cells together.",
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

    Each runs in its own fresh sandbox, without network. Points go to the gradebook, executed
    notebooks to autograded/ and a page for each student to feedback/. A submission that cannot be
    graded is reported with its reason; the others are graded all the same.

    An interrupted run picks up where it left off; unchanged submissions are not regraded. Unchanged
    means that the submission, the exercise, the grader and the time limits are the same as before;
    the result is reported as it is in the gradebook now.

    With --question the whole notebook runs; if the work has not changed since it was graded, all
    its other marks stay as they are.

    \b
    Reasons:  timeout, out-of-memory, kernel-died   graded: what came before counts
              environment                           not graded: our side failed three times;
                                                    costs the student nothing
              malformed                             not graded: missing, or not a notebook
              over-limit                            not graded: grading it needed more memory
                                                    or time than one submission may have
    """  # noqa: D301
    from grader.judging.results import document
    from grader.run.classrun import plan
    from grader.run.local import ensure_sandbox_image
    from grader.sandbox.interface import SandboxLimits
    from lab.machine.host import connect

    start = time.monotonic()
    client = connect()
    limits = SandboxLimits(cell_seconds=cell_seconds, submission_seconds=submission_seconds)
    # whoever allows the cells more time has to allow all of it more
    limits = replace(limits, grading_seconds=max(limits.grading_seconds, 1.5 * submission_seconds))
    run = plan(course.resolve(), assignment, students, questions)
    image = ensure_sandbox_image(client)
    # when asked to end, leave no sandbox behind, as with Ctrl-C
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
    """Show a bar for what has to be graded; yields what to call with each result."""
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
                last=escape(f"{printable(result.student)}: {_points(result)}{reason}"),
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
            printable(result.student),
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
            shown = note.replace("\n", "\n    ")
            console.print(f"{printable(result.student)}: {shown}", markup=False, soft_wrap=True)
