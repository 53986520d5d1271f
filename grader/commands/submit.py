"""``bin/lab submit``."""

import sys
from pathlib import Path

import click

from grader.commands.options import Command, course_option
from grader.handin.submit import REMEMBERED, submit
from lab.course import WORKSPACE


def _default_workspace() -> Path:
    """The checkout's workspace; inside the lab, the one in the student's home."""
    return WORKSPACE if WORKSPACE.is_dir() else Path.home() / "workspace"


@click.command("submit", cls=Command)
@click.argument("assignment")
@click.option(
    "--student",
    metavar="NAME|NUMBER",
    help="Whose work it is. Asked once, then remembered in the workspace.",
)
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=_default_workspace,
    help=(
        "The folder you work in. Default: this checkout's workspace/, or ~/workspace inside the"
        " lab."
    ),
)
@click.option(
    "--from-exchange",
    is_flag=True,
    help="Pack what JupyterLab's Submit button sent last, not the files as they are now.",
)
@course_option("assignments/", for_students=True)
def submit_command(
    assignment: str, student: str | None, workspace: Path, from_exchange: bool, course: Path
) -> None:
    """Make the one file that you hand in.

    Save the notebook first. The file appears in hand-in/ in your workspace: upload it to your
    course's site, or email it. It holds the notebook and the small files next to it (at most 1 MiB
    each). You may make it as often as you like: the newest counts. Unanswered or missing cells are
    mentioned, not refused.

    \b
    Examples:
      {command} 01-containers --student ada
      {command} 01-containers                    (as the same student as last time)
    """  # noqa: D301 (click reads the \b)
    if student is None and not (workspace / REMEMBERED).is_file() and sys.stdin.isatty():
        student = click.prompt("Your name or student number")
    packed = submit(
        workspace.resolve(), assignment, student, course.resolve(), from_exchange=from_exchange
    )
    for warning in packed.warnings:
        click.echo(f"Note: {warning}", err=True)
    click.echo(
        f"{len(packed.manifest.files)} files of {assignment} by {packed.manifest.student} are ready"
        f" to hand in:\n{packed.path}"
    )
    click.echo(
        "Next: upload this file. To download it from JupyterLab: open the folder hand-in,"
        " right-click the file and choose Download.",
        err=True,
    )
    click.echo(
        f"Learning alone? On your own machine, bin/lab check {assignment} grades your work with the"
        " hidden tests.",
        err=True,
    )
