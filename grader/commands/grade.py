"""The commands that grade: ``bin/lab grade`` and ``bin/lab feedback``."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from lab.course import ROOT
from lab.errors import LabError
from lab.progress import console, say

if TYPE_CHECKING:
    from docker import DockerClient

    from grader.judging.results import Result
    from grader.sandbox.docker import Place

course_option = click.option(
    "--course",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ROOT,
    show_default="this checkout",
    help="The folder that holds solutions/, submitted/ and the gradebook.",
)
student_option = click.option(
    "--student",
    "students",
    multiple=True,
    metavar="S",
    help="Only this student; may be given more than once.",
)


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
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of the table."
)
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
@course_option
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
              environment                           not graded: our side failed, three times; costs nothing
              malformed                             not graded: missing, or not a notebook
    """  # noqa: D301
    from grader.judging.results import document
    from grader.run.classrun import plan
    from grader.sandbox.docker import Limits
    from lab.machine.host import connect

    start = time.monotonic()
    client = connect()
    limits = Limits(cell_seconds=cell_seconds, submission_seconds=submission_seconds)
    run = plan(course.resolve(), assignment, students, questions)
    place = sandbox_place(client)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # asked to end: as with Ctrl-C, no sandbox is left
    with _progress(len(run.students)) as done:
        results = run.grade(
            client, place, limits, workers or limits.workers_for(client.info()), done, again=regrade
        )
    unchanged = sum(result.unchanged for result in results)
    if unchanged:
        say(f"{unchanged} unchanged, {len(results) - unchanged} graded")
    if as_json:
        click.echo(
            json.dumps(
                document(assignment, time.monotonic() - start, results),
                indent=2,
                ensure_ascii=False,
                allow_nan=False,
            )
        )
    else:
        _show(results)
    _tell_notes(results)


@click.command("feedback")
@click.argument("assignment")
@student_option
@course_option
def feedback_command(assignment: str, students: tuple[str, ...], course: Path) -> None:
    """Write each student's feedback page again, with the marks and comments that were given by hand
    since.
    """
    from grader.gradebook.record import Course, ensure_current
    from grader.pages.feedback import write

    place = Course(course.resolve())
    ensure_current(place)
    graded = [
        entry.parent.name
        for entry in sorted((place.root / "autograded").glob("*/*"))
        if entry.name == assignment
    ]
    wanted = [student for student in graded if student in students or not students]
    if unknown := sorted(set(students) - set(graded)) or ([] if wanted else ["anybody"]):
        raise LabError(
            f"{assignment} has not been graded for {', '.join(unknown)}.",
            f"bin/lab grade {assignment}",
        )
    for student in wanted:
        write(place, assignment, student)
    say(f"Wrote {len(wanted)} feedback pages: feedback/STUDENT/{assignment}/")


def sandbox_place(client: "DockerClient") -> "Place":
    """What sandboxes are made of: the lab image and the templates of course images, made first
    where they are missing.
    """
    from grader.sandbox.docker import SandboxError
    from grader.sandbox.template import ensure_place
    from lab.build import image as images
    from lab.build import template
    from lab.build.base_image import hub_answers

    hub = hub_answers(client)
    image = os.environ.get("LAB_SANDBOX_IMAGE") or images.ensure_lab_image(client, hub=hub)
    lab_template = template.ensure(client, image, hub=hub)
    hub = not template.holds_stand_ins(lab_template)
    names = [tag for one in template.course_images() for tag in one.offered(hub=hub)]
    try:
        return ensure_place(client, image, lab_template, names)
    except SandboxError as error:
        raise LabError(str(error), "bin/lab doctor; then grade again") from error


@contextmanager
def _progress(students: int) -> Iterator[Callable[["Result"], None]]:
    """A bar over what has to be graded, with the time that it will still take and the last result;
    gives what hears of each result.
    """
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
            said = escape(
                f"{result.student}:"
                f" {_points(result)}{f' ({result.reason})' if result.graded and result.reason else ''}"
            )
            progress.update(
                task, total=students - unchanged, advance=not result.unchanged, last=said
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


def _tell_notes(results: Sequence["Result"]) -> None:
    for result in results:
        for note in result.notes:
            console.print(f"{result.student}: {note}", markup=False, soft_wrap=True)


commands = [grade_command, feedback_command]
