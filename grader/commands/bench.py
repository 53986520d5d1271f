"""The command ``bin/lab bench``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.commands.options import json_option
from lab.edition import require_checkout

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command("bench")
@json_option()
@click.option(
    "--quick",
    is_flag=True,
    help="Use a few sandboxes and a class of two: shows that it works, not how fast.",
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
    """Measure how fast this machine grades, compared with stock nbgrader and Otter-Grader.

    A class of 30 with correct answers to 01-containers is graded twice by each grader. The graders
    take turns, so that anything else the machine does affects all of them. Each does the same work:
    the same notebooks, a real engine, the same checks, and every submission must earn its points.
    After that, the class and the number of workers grow. The creation of sandboxes is measured too.
    All of it takes about 75 minutes; your course is not touched.
    """
    require_checkout(click.get_current_context().command_path)
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
