"""What the commands share: options, and help that names a command as the user types it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lab.course import ROOT

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Command(click.Command):
    """A command whose help has ``{command}`` where the user types its path (``bin/lab grade``)."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, with the path filled in."""
        filled = copy.copy(self)
        filled.help = (self.help or "").replace("{command}", ctx.command_path)
        super(Command, filled).format_help_text(ctx, formatter)


def course_option(holds: str, *, hidden: bool = False) -> Decorator:
    """The option ``--course``; ``holds`` is what the command needs from the folder."""
    return click.option(
        "--course",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=ROOT,
        show_default="this checkout",
        help=f"The folder that holds {holds}.",
        hidden=hidden,
    )


def json_option(document: str = "Print one JSON document instead of the table.") -> Decorator:
    """The option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=document)


student_option = click.option(
    "--student",
    "students",
    multiple=True,
    metavar="S",
    help="Only this student; may be given more than once.",
)
