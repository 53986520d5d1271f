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
    help="Where the page goes.  [default: report-ASSIGNMENT.html]",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the checks as a table.",
)
@json_option("Print the numbers as one JSON document and write no page.")
@course_option("submitted/ and the gradebook")
def report_command(
    assignment: str, output: Path | None, csv_file: Path | None, as_json: bool, course: Path
) -> None:
    """Write one page about a graded assignment: points, checks, the commonest mistakes, time, and
    who needs a look.

    It shows what the last gradings recorded and the marks given by hand since; nothing is run.
    Similar notebooks are a hint, never a verdict.
    """
    from grader.pages.report import page, table
    from grader.pages.similarity import similar_pairs
    from grader.pages.summary import summarise
    from grader.run.results import last_results

    root = course.resolve()
    results = last_results(root, assignment)
    if not results:
        raise LabError(
            f"Nothing of {assignment} has been graded in {root}.", f"bin/lab grade {assignment}"
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
