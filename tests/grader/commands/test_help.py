"""What a command's help tells the user to type is what the user types."""

import pytest
from click.testing import CliRunner

from lab.cli import main


@pytest.mark.parametrize("command", ["check", "collect", "release", "submit"])
@pytest.mark.parametrize("program", ["bin/lab", "lab"])
def test_examples_name_the_command_as_it_was_typed(command: str, program: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"], prog_name=program).output
    examples = shown.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) >= 2
    assert all(line.split()[:2] == [program, command] for line in examples), examples
