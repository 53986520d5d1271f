"""The command ``bin/lab bench``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.commands.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command("bench")
@json_option()
@click.option(
    "--quick",
    is_flag=True,
    help="A few sandboxes and a class of two: whether it works, not how fast.",
)
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=(
        "Also write performance.json and the plots (images/) there, and the table into"
        " performance.md: `--write docs`."
    ),
)
def bench_command(as_json: bool, quick: bool, folder: Path | None) -> None:
    """Measure how fast this machine makes sandboxes and grades classes, beside stock nbgrader and
    Otter-Grader.

    A class of 30 on 01-containers, whose answers are right, is graded twice by each grader in turn:
    whatever else the machine does meets all of them. Each does the same work: the same notebooks, a
    real engine, the same checks, and every submission must earn its points. Then the class grows,
    and the workers. All of it takes about 75 minutes; nothing of your course is touched.
    """
    from grader.bench import pages
    from grader.bench.measure import FULL, QUICK, measure
    from grader.run.local import ensure_sandbox_image
    from lab.machine.host import connect

    client = connect()
    figures = measure(client, ensure_sandbox_image(client), QUICK if quick else FULL)
    if folder:
        pages.write(figures, folder)
    click.echo(json.dumps(figures, indent=2) if as_json else _table(figures))


def _table(figures: "Mapping[str, Any]") -> str:
    from grader.bench.pages import rows

    width = max(len(name) for name, _ in rows(figures))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows(figures))
