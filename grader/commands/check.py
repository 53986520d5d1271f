"""``bin/lab check``."""

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.commands.options import Command, course_option, json_option
from lab.browser import open_page
from lab.course import STATE, WORKSPACE
from lab.progress import console, say, step

if TYPE_CHECKING:
    from grader.run.check import Checked, Question


@click.command("check", cls=Command)
@click.argument("assignment", required=False)
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=WORKSPACE,
    show_default="this checkout's workspace/",
    help="The folder you work in.",
)
@click.option("--no-browser", is_flag=True, help="Print the page's path without opening a browser.")
@json_option("Print one JSON document instead of the table, and open no browser.")
@course_option("solutions/ and assignments/", for_students=True)
def check_command(
    assignment: str | None, workspace: Path, no_browser: bool, as_json: bool, course: Path
) -> None:
    """Grade your own work with the hidden tests: for people who learn alone.

    Save the notebook first. It runs in a fresh sandbox, without network, as bin/lab grade runs a
    student's. You see your points, what failed, and your feedback page, which has a sample answer
    below each answer in your own words. Your notebook stays as it is, and nothing is recorded.

    The hidden tests are in solutions/; a copy of the course without that folder cannot check.
    Without ASSIGNMENT, it names the assignments in your workspace. Exits with 0 when your work was
    graded, however many points it earned, and with 1 when it could not be.

    \b
    Examples:
      {command} 01-containers
      {command} 01-containers --no-browser
    """  # noqa: D301 (click reads the \b)
    from grader.course import Course
    from grader.handin.own_work import read_work
    from lab.machine.host import connect

    start = time.monotonic()
    work = read_work(Course(course.resolve()), workspace.resolve(), assignment)
    client = connect()
    for warning in work.warnings:
        _note(warning)

    # here, so that what is wrong with the work is said at once: they take seconds
    from grader.judging.results import document
    from grader.run.check import check
    from grader.run.local import ensure_sandbox_image

    image = ensure_sandbox_image(client)
    # when asked to end, leave no sandbox behind, as with Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with step(f"Grade {work.assignment}"):
        pages = STATE / "check" / work.assignment
        checked = check(Course(course.resolve()), work, pages, client, image)
    for note in checked.result.notes:
        _note(note)
    if as_json:
        content = document(work.assignment, time.monotonic() - start, [checked.result])
        content["pages"] = [str(page) for page in checked.pages]
        click.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        return
    _show(checked)
    judge = any(check.status == "needs-grading" for check in checked.result.checks)
    samples = ", with a sample answer to compare your own with" if judge else ""
    say(f"\nYour feedback page{samples}:")
    for page in checked.pages:
        click.echo(page)
        if not no_browser:
            open_page(page.as_uri())


def _note(text: str) -> None:
    console.print(f"Note: {text}", markup=False, soft_wrap=True)


def _show(checked: "Checked") -> None:
    from grader.pages.feedback import REASONS

    if checked.result.reason:
        click.echo(REASONS[checked.result.reason])
    _show_table(checked.questions)
    for question in checked.questions:
        _show_failed(question)


def _show_table(questions: Sequence["Question"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("question", "points", "for you to judge", box=None, pad_edge=False)
    every = [check for question in questions for check in question.checks]
    rows = [(question.title, question.checks) for question in questions]
    for title, checks in [*rows, ("all questions", every)]:
        judged = [check for check in checks if check.status != "needs-grading"]
        points = sum(check.points for check in judged)
        most = sum(check.max_points for check in judged)
        by_hand = sum(check.max_points for check in checks) - most
        cells = (
            title,
            f"{points:g} of {most:g}" if judged else "",
            f"{by_hand:g}" if by_hand else "",
        )
        table.add_row(*map(Text, cells))
    Console().print(table)


def _show_failed(question: "Question") -> None:
    """What was found, what was expected and what to try, for each check that lost points."""
    lost = [
        check
        for check in question.checks
        if check.points < check.max_points and check.status != "needs-grading"
    ]
    if lost:
        click.echo(f"\n{question.title}")
    for check in lost:
        click.echo(f"  ✗ {check.name} ({check.points:g} of {check.max_points:g})")
        for line in check.message.splitlines():
            click.echo(f"      {line}")
