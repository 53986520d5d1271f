"""What every command line of the course does with an error: ``bin/lab``, and ``lab`` in the lab."""

import sys

import click
from rich.markup import escape

from lab.errors import LabError
from lab.progress import console, say


class Commands(click.Group):
    """Shows a LabError as its text and exits with 1; click's own usage errors exit with 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LabError as error:
            console.print(f"[bold red]✗[/] {escape(error.what)}", soft_wrap=True)
            console.print(f"[bold]Try:[/] {escape(error.hint)}", soft_wrap=True)
            sys.exit(1)
        except KeyboardInterrupt:
            say("Stopped. Run the same command again: it goes on from here.")
            sys.exit(130)
