"""``bin/lab report``."""

import json
from pathlib import Path

import click

from grader.commands.options import course_option, json_option
from lab.errors import LabError
from lab.progress import say


@click.command("report")
@click.argument("assignment")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page to this file.  [default: report-ASSIGNMENT.html]",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the checks to this file, as a table.",
)
@json_option("Print the numbers as one JSON document and write no page.")
@course_option("submitted/ and the gradebook")
def report_command(
    assignment: str, output: Path | None, csv_file: Path | None, as_json: bool, course: Path
) -> None:
    """Write a page about a graded assignment.

    It shows points, checks, the most common mistakes, time and who needs attention, as the last
    gradings recorded them and with marks given by hand since; nothing is run. Similar notebooks are
    a hint, never a verdict.
    """
    from grader.pages.report import page, table
    from grader.pages.similarity import similar_pairs
    from grader.pages.summary import summarise
    from grader.run.results import last_results

    root = course.resolve()
    results = last_results(root, assignment)
    if not results:
        raise LabError(
            f"No submission of {assignment} has been graded in {root}.",
            f"bin/lab grade {assignment}",
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
