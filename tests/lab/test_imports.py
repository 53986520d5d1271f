"""How much Python each command imports before it does anything: it is paid for on every call."""

import os
import subprocess
import sys

import pytest

from lab.course import ROOT

# The most modules that each may import: what it did when this was written, and 15 % more.
BUDGET = {
    "--help": 625,
    "doctor --help": 550,
    "grade --help": 555,
    "licenses --help": 575,
    "report --help": 580,
    "status": 550,
    "submit --help": 560,
    "up --help": 550,
}
COUNT = """
import sys
from lab.cli import main
try:
    main(sys.argv[1:], prog_name="bin/lab")
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def modules_of(*command: str) -> set[str]:
    """The modules that a new Python holds after this command; there is no engine for it."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip(), done
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", BUDGET)
def test_command_imports_no_more_than_its_budget(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = modules_of("-c", COUNT, *command.split())
    with capsys.disabled():
        print(f"\n  bin/lab {command}: {len(modules)} modules, at most {BUDGET[command]}")
    assert "lab.cli" in modules
    assert len(modules) <= BUDGET[command]


def test_command_of_the_lab_imports_nothing_of_the_grader() -> None:
    assert {
        name for name in modules_of("-c", COUNT, "status") if name.startswith("grader")
    } == set()


def test_grading_imports_no_more_than_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys, grader.run.classrun; print(*sys.modules, file=sys.stderr)"
    modules = modules_of("-c", code)
    with capsys.disabled():
        print(f"\n  a grading run: {len(modules)} modules")
    assert "nbgrader.apps" in modules
    assert len(modules) <= 1600
