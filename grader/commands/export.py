"""``bin/lab export``."""

from pathlib import Path

import click

from grader.commands.options import course_option
from grader.pages.export import FORMS, Format, marks, read_roster, table
from lab.progress import say


@click.command("export")
@click.argument("assignment")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    default="csv",
    show_default=True,
    help="The program that will read it.",
)
@click.option(
    "--roster",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=(
        "The course site's own list of people (CSV): rows are matched by login, number or email"
        " address, and its columns are kept."
    ),
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of printing.",
)
@course_option("the gradebook")
def export_command(
    assignment: str, form: Format, roster: Path | None, output: Path | None, course: Path
) -> None:
    """Write the marks of an assignment as CSV: for Canvas, for Moodle, or plain.

    Points are those in the gradebook now: marks given by hand count, and penalties for late work
    are subtracted. Students without a submission get an empty mark, never a zero.
    """
    everyone = marks(course.resolve(), assignment)
    text = table(assignment, everyone, form, read_roster(roster) if roster else None)
    if output:
        output.write_bytes(text.encode())
        say(f"Wrote {output}.")
    else:
        click.echo(text.replace("\r\n", "\n"), nl=False)
    if waiting := [mark.student for mark in everyone if mark.waiting]:
        say(
            "Still to be graded by hand (in formgrader: bin/lab up --instructor):"
            f" {', '.join(waiting)}."
        )
