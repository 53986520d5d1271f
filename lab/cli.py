"""The command line: ``bin/lab COMMAND``. Each command's help is its manual page."""

import json
import os
import subprocess
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Literal

import click

from lab import doctor as doctors
from lab import up as labs
from lab.commandline import Commands
from lab.completion import completion
from lab.course import ROOT, WORKSPACE
from lab.errors import LabError
from lab.machine import containers, joined_cluster
from lab.machine.host import connect, ensure_engine
from lab.progress import say
from lab.seat import CURRENT, Seat
from lab.version import describe, version

Kind = Literal["student", "instructor"]
# Markers of tests that need more than Python.
NEED_ENGINE = ("engine", "machine", "grading", "browser", "lesson")


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(describe())
        ctx.exit()


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def main() -> None:
    """Docker and Kubernetes, hands on: a course in JupyterLab in which every command is real.

    \b
    Start here:   bin/lab up        set up everything and open the course
                  bin/lab doctor    what this machine can do, and what to do about the rest
    """  # noqa: D301  (click reads the backspace)


instructor_option = click.option(
    "--instructor",
    "kind",
    flag_value="instructor",
    default="student",
    help="The instructor's lab: JupyterLab on the whole course, with formgrader.",
)


@main.command()
@instructor_option
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of this machine for JupyterLab.  [default: 8888; instructor 8889]",
)
@click.option(
    "--workspace",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=WORKSPACE,
    show_default="workspace",
    help="The student's folder; made where it is missing.",
)
@click.option(
    "--engine",
    "where",
    type=click.Choice(["own", "host"]),
    default="own",
    show_default=True,
    help=(
        "An engine inside the lab, or the machine's own: for machines where none can run in a"
        " container."
    ),
)
@click.option(
    "--cluster",
    type=click.Choice(["own", "current"]),
    show_default="own",
    help=(
        "A cluster inside the lab, or that of kubectl's current context on this machine, in a"
        " namespace of the lab's own."
    ),
)
@click.option("--no-browser", is_flag=True, help="Print the address, open no browser.")
def up(
    kind: Kind, port: int | None, folder: Path, where: str, cluster: str | None, no_browser: bool
) -> None:
    """Set up everything and open the course.

    Installs and starts Docker where none answers (Debian, Ubuntu), builds the lab image, brings the
    course images, starts the lab and prints the address of JupyterLab. Run it as often as you like:
    what is there stays, files that you have changed are never overwritten.
    """
    state = labs.up(
        labs.Lab(kind), folder=folder.resolve(), port=port, on_host=where == "host", cluster=cluster
    )
    if state.stand_ins:
        say(
            "Docker Hub does not answer: the course images are stand-ins made of Debian packages,"
            " under the usual names (bin/lab doctor tells more)."
        )
    say("The course is open. In your browser:")
    click.echo(state.url)
    if (
        not no_browser
        and os.environ.get("DISPLAY", os.environ.get("WAYLAND_DISPLAY"))
        and state.url
    ):
        webbrowser.open(state.url)


@main.command()
@instructor_option
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help=(
        "Also remove the lab image and the template of course images (the next up builds them"
        " again)."
    ),
)
def down(kind: Kind, everything: bool) -> None:
    """Stop the lab and remove all that it made on this machine's Docker; your workspace stays."""
    labs.down(connect(), labs.Lab(kind), everything=everything)
    say(
        "Nothing of the lab is left but your workspace"
        + ("." if everything else " and its images (bin/lab down --all removes those too).")
    )


@main.command()
@instructor_option
@click.pass_context
def reset(ctx: click.Context, kind: Kind) -> None:
    """Start over with a fresh engine: the lab's containers, images and volumes go, your work
    stays.
    """
    client, lab = connect(), labs.Lab(kind)
    running = containers.find(client, lab.name)
    before = Seat.from_container(running) if running else None
    folder = Path(before.workspace) if before and before.workspace else WORKSPACE
    port = before.port if before else None
    where = "host" if before and before.mode == "host" else "own"
    cluster = joined_cluster.chosen(None, before, on_host=where == "host")
    labs.reset(client, lab)
    asked = cluster if cluster == CURRENT else None
    ctx.invoke(up, kind=kind, port=port, folder=folder, where=where, cluster=asked, no_browser=True)


@main.command()
@instructor_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(kind: Kind, as_json: bool) -> None:
    """Say whether the lab runs, and where. Exits with 3 when it does not."""
    state = labs.status(connect(), labs.Lab(kind))
    if as_json:
        click.echo(json.dumps({"version": version(), **labs.as_json(state)}, indent=2))
    elif state.running:
        click.echo(
            f"running    {state.url}\nworkspace  {state.workspace}\ncluster   "
            f" {joined_cluster.describe(state.cluster)}"
        )
    else:
        click.echo("not running (bin/lab up starts it)")
    sys.exit(0 if state.running else 3)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Say what this machine can do for the course, and what to do about the rest. Exits with 1 when
    the course cannot run.
    """
    findings = doctors.examine()
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        doctors.show(findings)
    sys.exit(1 if any(finding.state == "bad" for finding in findings) else 0)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@instructor_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def sh(kind: Kind, command: tuple[str, ...]) -> None:
    """Open a shell in the lab, or run one COMMAND there; exits with its exit status.

    \b
    bin/lab sh
    bin/lab sh docker run --rm busybox echo ok
    """  # noqa: D301
    client, lab = connect(), labs.Lab(kind)
    if not labs.status(client, lab).running:
        raise LabError("The lab is not running.", "bin/lab up")
    sys.exit(labs.enter(client, lab, list(command)))


@main.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--fast",
    is_flag=True,
    help="Only what needs no engine: lint, types, unit tests. Under three minutes once set up.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Everything, however long; writes tests/proved.json, goes on where it was.",
)
@click.option("--plan", is_flag=True, help="Print what a run takes, and why, and run nothing.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(fast: bool, everything: bool, plan: bool, arguments: tuple[str, ...]) -> None:
    """Run everything that CI runs: lint, types, tests on real engines, every lesson, every
    exercise, a browser.

    What goes beyond one proof of each thing is run by turns; the last lines name what was left to
    other runs. Further ARGUMENTS go to pytest: paths, -k, -x ... All tests that they name are run.
    The whole suite is dealt to workers side by side; what is chosen runs in one process, or in as
    many as -n says. What one needs to know why a test failed is kept in .lab/failed.
    """
    if not fast:
        # under pytest it is too late to go on as root: nobody knows this command line any more
        with suppress(LabError):
            _ = connect() if arguments else ensure_engine()
    chosen = ["-m", " and ".join(f"not {marker}" for marker in NEED_ENGINE)] if fast else []
    chosen += [option for option, given in (("--all", everything), ("--plan", plan)) if given]
    whole = not fast and not arguments
    workers = ["-n", str(_workers())] if whole else []
    command = [sys.executable, "-m", "pytest", *workers, *chosen, *arguments]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def _workers() -> int:
    """Half as many again as there are processors: tests wait about half of their time."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


main.add_command(completion)
