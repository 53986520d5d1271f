"""``bin/lab release``."""

from pathlib import Path

import click

from grader.commands.options import Command, course_option
from grader.course import RELEASE, SOURCE
from grader.exercise.release import differences, release


@click.command("release", cls=Command)
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; exit with 1 if assignments/ differs from what solutions/ gives.",
)
@course_option("solutions/ and assignments/")
def release_command(assignments: tuple[str, ...], check: bool, course: Path) -> None:
    """Make the students' version of exercises: solutions/ → assignments/.

    Without ASSIGNMENT all exercises are released, and folders in assignments/ whose source is gone
    are removed. Solutions become "# YOUR CODE HERE" or "YOUR ANSWER HERE"; hidden tests and outputs
    are left out. The same source always gives the same bytes. If any source has a problem, it is
    reported and nothing is changed.

    \b
    Examples:
      {command}                   all exercises
      {command} 01-containers     one
      {command} --check           for CI: are assignments/ up to date?
    """  # noqa: D301 (click reads the \b)
    changed = (differences if check else release)(course.resolve(), assignments)
    for difference in changed:
        done = "released" if (course / difference.path).exists() else "removed"
        click.echo(str(difference) if check else f"{done} {difference.path}")
    if check and changed:
        click.echo(
            f"{RELEASE}/ does not match {SOURCE}/. Try: bin/lab release, then commit {RELEASE}/.",
            err=True,
        )
        raise click.exceptions.Exit(1)
    if not changed:
        click.echo(f"{RELEASE}/ is up to date.")
