"""What the commands share: options, and help that names a command as the user types it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lab.course import ROOT
from lab.edition import require_checkout

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Command(click.Command):
    """A command whose help has ``{command}`` where the user types its path (``bin/lab grade``)."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, with the path filled in."""
        filled = copy.copy(self)
        filled.help = (self.help or "").replace("{command}", ctx.command_path)
        super(Command, filled).format_help_text(ctx, formatter)


def course_option(holds: str, *, for_students: bool = False) -> Decorator:
    """The option ``--course``; ``holds`` is what the command needs from the folder.

    A command that is ``for_students`` works in the students' edition too, and its help does not
    show this option.
    """
    return click.option(
        "--course",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=ROOT,
        show_default="this checkout",
        help=f"The folder that holds {holds}.",
        hidden=for_students,
        callback=None if for_students else _not_the_edition,
    )


def _not_the_edition(ctx: click.Context, _: click.Parameter, course: Path) -> Path:
    """Refuse to take the students' edition for an instructor's checkout."""
    if course.resolve() == ROOT:
        require_checkout(ctx.command_path)
    return course


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
