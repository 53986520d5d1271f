"""``bin/lab release``."""

from pathlib import Path

import click

from grader.commands.options import Command, course_option
from grader.course import RELEASE, SOURCE
from grader.exercise import edition
from grader.exercise.release import differences, release


@click.command("release", cls=Command)
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; exit with 1 if assignments/ differs from what solutions/ gives.",
)
@click.option(
    "--edition",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=(
        "Then pack the students' edition of the course into FILE (.zip or .tar.gz): what git tracks"
        " here, without solutions/, hidden tests, tests/ and all that grading makes."
    ),
)
@course_option("solutions/ and assignments/; with --edition, a whole checkout")
def release_command(
    assignments: tuple[str, ...], check: bool, target: Path | None, course: Path
) -> None:
    """Make the students' version of exercises: solutions/ → assignments/.

    Without ASSIGNMENT all exercises are released, and folders in assignments/ whose source is gone
    are removed. Solutions become "# YOUR CODE HERE" or "YOUR ANSWER HERE"; hidden tests and outputs
    are left out. The same source always gives the same bytes. If any source has a problem, it is
    reported and nothing is changed.

    With --edition students get one file instead of the repository. With ASSIGNMENT it holds only
    these exercises.

    \b
    Examples:
      {command}                   all exercises
      {command} 01-containers     one
      {command} --check           for CI: are assignments/ up to date?
      {command} --edition course.zip
    """  # noqa: D301 (click reads the \b)
    if check and target:
        raise click.UsageError("--check changes nothing, so it cannot be used with --edition.")
    if target:
        edition.packer(target)  # before anything changes
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
    if target:
        packed = edition.write(course.resolve(), assignments, target)
        click.echo(f"packed {packed.files} files of the students' edition into {target}")
        for name in packed.left_out:
            click.echo(f"Left out, since git does not track it: {name}", err=True)
