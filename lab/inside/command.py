"""``lab`` in a terminal of the lab: the commands that a student has there."""

import click

from lab.commandline import Commands


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """What the course can do in here. On your own machine, bin/lab knows more: if you learn alone,
    bin/lab check ASSIGNMENT grades your work with the hidden tests.
    """
