"""``bin/lab collect``."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.archive import printable
from grader.commands.options import Command, course_option, json_option
from grader.handin import lms
from grader.handin.collect import Collected, Overrides, cannot_store, collect
from grader.handin.tree import HandInStatus


def table(outcomes: Iterable[Collected]) -> Table:
    """What happened to each file, for the terminal; names from strangers appear as plain text."""
    rows = Table("File", "Student", "Assignment", "Result", "Remarks", box=None, pad_edge=False)
    for outcome in outcomes:
        remarks = [outcome.reason] if outcome.reason else []
        remarks += outcome.notes + [
            f"not taken: {printable(one.path)[:80]} ({one.reason})" for one in outcome.refused[:5]
        ]
        if len(outcome.refused) > 5:
            remarks.append(f"and {len(outcome.refused) - 5} more not taken (see --json)")
        cells = (
            outcome.source,
            outcome.student or "",
            outcome.assignment or "",
            outcome.status.value,
            "\n".join(remarks),
        )
        rows.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return rows


@click.command("collect", cls=Command)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="FILE|DIR...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--assignment", help="Treat all files as hand-ins for this assignment, whatever they say."
)
@click.option(
    "--student",
    metavar="NAME|NUMBER",
    help="Treat all files as handed in by this student, whatever they say.",
)
@click.option(
    "--roster",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=(
        "A CSV file with the columns name,student: which student each of the course site's names"
        " stands for."
    ),
)
@click.option(
    "--received",
    type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]),
    metavar="'YYYY-MM-DD HH:MM'",
    help="When all files were handed in (this machine's time), whatever they say.",
)
@json_option()
@course_option("assignments/ and submitted/")
def collect_command(
    paths: tuple[Path, ...],
    assignment: str | None,
    student: str | None,
    roster: Path | None,
    received: datetime | None,
    as_json: bool,
    course: Path,
) -> None:
    """Sort handed-in files into submitted/<student>/<assignment>/, ready to be graded.

    FILE is what `lab submit` made, a notebook, or a course site's download of a whole class
    (Moodle, Canvas, Blackboard, Brightspace); DIR is a folder of those, or of JupyterLab's exchange
    (.../inbound). The student is the one that --student names, else the course site's name for the
    uploader (through --roster), else the manifest's, else the beginning of the file's name.

    The files are treated as hostile. Anything that does not belong in a hand-in (links, paths that
    leave the folder, zip bombs, other notebooks) is refused with its reason, and the rest is taken;
    the exit status is 0 unless a hand-in could not be stored. A newer hand-in replaces an older
    one, which is kept in submitted/.earlier/. Collecting the same file again changes nothing.

    \b
    Examples:
      {command} ~/Downloads/01-containers.zip
      {command} mailed/ --roster class.csv
      {command} answer.ipynb --student ada --assignment 01-containers
    """  # noqa: D301 (click reads the \b)
    overrides = Overrides(
        assignment,
        student,
        received.astimezone() if received else None,
        lms.read_roster(roster) if roster else {},
    )
    outcomes = collect(course.resolve(), paths, overrides)
    counts = Counter(outcome.status.value for outcome in outcomes)
    if as_json:
        counted = {status.value: counts[status.value] for status in HandInStatus}
        click.echo(
            json.dumps(
                {"counts": counted, "hand_ins": [asdict(outcome) for outcome in outcomes]}, indent=1
            )
        )
    else:
        Console().print(table(outcomes))
        click.echo(
            ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
            or "nothing found to collect"
        )
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        raise cannot_store(
            f"{len(failed)} of {len(outcomes)} hand-ins could not be stored", failed[0].reason
        )
