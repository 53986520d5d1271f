"""How the course's command lines show errors: ``bin/lab``, and ``lab`` in the lab."""

import sys
from importlib.metadata import entry_points

import click
from rich.markup import escape

from lab.errors import LabError
from lab.progress import console, say


class Commands(click.Group):
    """Shows a LabError as its text and exits with 1; click's own usage errors exit with 2.

    Commands that other modules add (entry points in the group `lab.commands`) are imported only
    when they are used.
    """

    added = entry_points(group="lab.commands")

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.added.names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.added.names and cmd_name not in self.commands:
            self.add_command(self.added[cmd_name].load(), cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LabError as error:
            console.print(f"[bold red]✗[/] {escape(error.what)}", soft_wrap=True)
            console.print(f"[bold]Try:[/] {escape(error.hint)}", soft_wrap=True)
            sys.exit(1)
        except KeyboardInterrupt:
            say("Stopped. Run the same command again to continue.")
            sys.exit(130)
