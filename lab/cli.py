"""The command line: ``bin/lab COMMAND``. Each command's help is its manual page."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import click

from lab import doctor as doctors
from lab import up as labs
from lab.browser import open_page
from lab.commandline import Commands
from lab.completion import completion
from lab.course import ROOT, WORKSPACE
from lab.edition import require_checkout
from lab.errors import LabError
from lab.inside import nodes as inside
from lab.machine import containers, joined_cluster
from lab.machine.host import connect, ensure_engine
from lab.machine.shell import enter
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
                  bin/lab doctor    check this machine, and say how to fix what is missing
    """  # noqa: D301  (click reads the backspace)


def _instructors(ctx: click.Context, _: click.Parameter, kind: Kind) -> Kind:
    if kind == "instructor":
        require_checkout(f"{ctx.command_path} --instructor")
    return kind


instructor_option = click.option(
    "--instructor",
    "kind",
    flag_value="instructor",
    default="student",
    callback=_instructors,
    help="Use the instructor's lab: JupyterLab with the whole course and formgrader.",
)


@main.command()
@instructor_option
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port on this machine for JupyterLab.  [default: 8888; instructor 8889]",
)
@click.option(
    "--workspace",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=WORKSPACE,
    show_default="workspace",
    help="The student's folder; created if it does not exist.",
)
@click.option(
    "--engine",
    "where",
    type=click.Choice(["own", "host"]),
    default="own",
    show_default=True,
    help=(
        "Use an engine inside the lab, or the machine's own (for machines where an engine cannot"
        " run in a container)."
    ),
)
@click.option(
    "--cluster",
    type=click.Choice(["own", "current"]),
    show_default="own",
    help=(
        "Use a cluster inside the lab, or the cluster of kubectl's current context on this machine,"
        " in a separate namespace."
    ),
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
def up(
    kind: Kind, port: int | None, folder: Path, where: str, cluster: str | None, no_browser: bool
) -> None:
    """Set up everything and open the course.

    Installs and starts Docker if none answers (Debian, Ubuntu), builds the lab image, prepares the
    course images, starts the lab and prints the address of JupyterLab. Run it as often as you like:
    what is already there stays, and files that you have changed are never overwritten.
    """
    state = labs.up(
        labs.Lab(kind), folder=folder.resolve(), port=port, on_host=where == "host", cluster=cluster
    )
    if state.stand_ins:
        say(
            "Docker Hub does not answer: the course images are stand-ins built from Debian"
            " packages, under the usual names (bin/lab doctor says more)."
        )
    say("The course is open. In your browser:")
    click.echo(state.url)
    if state.url and not no_browser:
        open_page(state.url)


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
    """Stop the lab and remove all it created in this machine's Docker; your workspace is kept."""
    labs.down(connect(), labs.Lab(kind), everything=everything)
    say(
        "The lab is removed; only your workspace "
        + ("is" if everything else "and its images (bin/lab down --all removes those too) are")
        + " left."
    )


@main.command()
@instructor_option
@click.pass_context
def reset(ctx: click.Context, kind: Kind) -> None:
    """Start over with a fresh engine: containers, images and volumes go, your work is kept."""
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
    """Say whether the lab is running, and where. Exits with 3 if it is not."""
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
    """Check whether this machine can run the course, and say how to fix what is missing.

    Exits with 1 if the course cannot run.
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
    """Open a shell in the lab, or run COMMAND there; exits with its exit status.

    COMMAND ends with this client: when the client is stopped, or its terminal closes.

    \b
    bin/lab sh
    bin/lab sh docker run --rm busybox echo ok
    """  # noqa: D301
    client, lab = connect(), labs.Lab(kind)
    if not labs.status(client, lab).running:
        raise LabError("The lab is not running.", "bin/lab up")
    sys.exit(enter(client, lab.name, list(command)))


@main.command(
    "nodes",
    help=(inside.nodes.help or "").replace("  lab nodes", "  bin/lab nodes"),
    params=[*inside.nodes.params],
)
@instructor_option
def nodes(kind: Kind, count: int | None, off: str | None, on: str | None) -> None:
    """Run ``lab nodes`` in the lab, with the same arguments; exits with its exit status."""
    given = [str(count)] if count is not None else []
    given += [
        text for option, name in (("--off", off), ("--on", on)) if name for text in (option, name)
    ]
    client, lab = connect(), labs.Lab(kind)
    if not labs.status(client, lab).running:
        raise LabError("The lab is not running.", "bin/lab up")
    sys.exit(enter(client, lab.name, ["lab", "nodes", *given]))


@main.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--fast",
    is_flag=True,
    help="Run only what needs no engine: lint, types, unit tests. Under three minutes once set up.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help=(
        "Run everything, however long it takes, and write tests/proved.json; an interrupted run"
        " picks up where it left off."
    ),
)
@click.option("--plan", is_flag=True, help="Print what would be run, and why, without running it.")
@click.option("--shots", metavar="DIR", help="Only take the pictures of the docs, into DIR.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(
    fast: bool, everything: bool, plan: bool, shots: str | None, arguments: tuple[str, ...]
) -> None:
    """Run everything that CI runs: lint, types, tests on real engines, every lesson, every
    exercise, a browser.

    Each run proves everything once; further proofs of the same thing take turns, and the last lines
    name those left to other runs. Further ARGUMENTS go to pytest (paths, -k, -x ...), and all tests
    that they select are run. The whole suite is spread over parallel workers; a selection runs in
    one process, or in as many as -n says. What you need to find out why a test failed is kept in
    .lab/failed.
    """
    require_checkout(click.get_current_context().command_path)
    if not fast:
        # inside pytest it is too late to switch to root: this command line is no longer known there
        with suppress(LabError):
            _ = connect() if arguments else ensure_engine()
    chosen = ["-m", " and ".join(f"not {marker}" for marker in NEED_ENGINE)] if fast else []
    chosen += [option for option, given in (("--all", everything), ("--plan", plan)) if given]
    # in one word: pytest would take the folder for one of tests
    chosen += [f"--shots={shots}"] if shots else []
    workers = [] if arguments or plan else ["-n", str(_workers(waiting=not fast))]
    command = [sys.executable, "-m", "pytest", *workers, *chosen, *arguments]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def _workers(*, waiting: bool) -> int:
    """One for each processor; half as many more where tests spend half of their time waiting."""
    processors = os.cpu_count() or 1
    return max(2, processors * 3 // 2) if waiting else processors


main.add_command(completion)
