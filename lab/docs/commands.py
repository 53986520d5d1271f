"""The page of commands: each one's help, as `--help` prints it."""

from collections.abc import Iterator

import click

OPENING = """\
# Commands

What each command's `--help` prints. A command exits with status 0 if it has done its work, with 1
if it could not (it says why, and what to try), and with 2 if it was called incorrectly.
"""


def page(root: click.Group) -> str:
    """The page in Markdown."""
    return OPENING + "".join(_section(context) for context in _commands(root))


def _commands(root: click.Group) -> Iterator[click.Context]:
    above = click.Context(root, info_name="bin/lab", max_content_width=100, terminal_width=100)
    for name in root.list_commands(above):
        command = root.get_command(above, name)
        if command and not command.hidden:
            yield click.Context(command, info_name=name, parent=above)


def _section(context: click.Context) -> str:
    return f"\n## {context.info_name}\n\n```text\n{context.get_help()}\n```\n"
