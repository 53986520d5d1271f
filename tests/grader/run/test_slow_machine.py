"""A slow machine costs nobody a point: solutions keep full marks in a sandbox with a quarter of a
processor, and on a machine on which forty processes never stop.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import docker
import nbformat
import pytest

from grader.checks.pace import MOST
from grader.course import SOURCE, SUBMITTED, Course
from grader.judging.execution import Execution
from grader.judging.pace import LOAD, measure_pace
from grader.judging.results import Outcome
from grader.judging.work import execute
from grader.run.submission import Assignment, Submission
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import ROLES, DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.course import ROOT

from ...busy import busy_processes
from ...exercises import ASSIGNMENTS
from ...suite.items import Item, Turn

pytestmark = [pytest.mark.machine, pytest.mark.grading]
BUSY = 40
LIMITS = SandboxLimits()
Slowed = Callable[[DockerSandbox], AbstractContextManager[None]]


@contextmanager
def a_quarter_of_a_processor(sandbox: DockerSandbox) -> Iterator[None]:
    """Each of its three containers gets no more."""
    ids = [sandbox.container(role) for role in ROLES]
    subprocess.run(["docker", "update", "--cpus", "0.25", *ids], check=True, capture_output=True)
    yield


@contextmanager
def load_of_forty(sandbox: DockerSandbox) -> Iterator[None]:
    """So many processes of this machine compete with it."""
    with busy_processes(BUSY):
        yield


SLOWED: dict[str, Slowed] = {
    "a quarter of a processor": a_quarter_of_a_processor,
    "at a load of forty": load_of_forty,
}
# forty busy processes slow whatever else runs at the same time
TURN: dict[str, Turn] = {"a quarter of a processor": "by turns", "at a load of forty": "all only"}


def marked(root: Path, name: str, sandbox: DockerSandbox, slowed: Slowed) -> Outcome:
    """The outcome of an exercise's solution in a sandbox that is slowed."""
    shutil.copytree(ROOT / SOURCE / name, root / SOURCE / name)
    folder = root / SUBMITTED / "ada" / name
    folder.mkdir(parents=True)
    shutil.copy(ROOT / SOURCE / name / f"{name}.ipynb", folder)
    assignment = Assignment.open(Course(root), name)
    repaired = Submission.read(assignment, "ada").repaired(assignment)
    with slowed(sandbox):
        return execute(repaired.work(assignment, name, LIMITS), sandbox).outcome


def pace_of(sandbox: DockerSandbox, slowed: Slowed) -> float:
    with slowed(sandbox):
        sandbox.checker.run(LOAD, 120, silent=True)
        return measure_pace(sandbox.checker)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "how"),
    [
        pytest.param(
            name,
            how,
            marks=pytest.mark.proves(Item("slow machine", f"{name}: {how}", TURN[how])),
            id=f"{name}, {how}",
        )
        for name in ASSIGNMENTS
        for how in SLOWED
    ],
)
def test_solution_keeps_full_marks(
    name: str, how: str, tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    nodes = 1 if "kubernetes" in name else 0
    with DockerSandbox(client, place, LIMITS, nodes=nodes) as sandbox:
        outcome = marked(tmp_path, name, sandbox, SLOWED[how])
    assert [check for check in outcome.checks.values() if check.status != "passed"] == []
    assert (outcome.reason, outcome.notes) == (None, [])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(how, marks=pytest.mark.proves(Item("slow machine", how, turn)), id=how)
        for how, turn in TURN.items()
    ],
)
def test_pace_is_felt_in_the_checkers_container(
    how: str, client: docker.DockerClient, place: SandboxImage
) -> None:
    with DockerSandbox(client, place, LIMITS) as sandbox:
        assert 1 < max(pace_of(sandbox, SLOWED[how]) for _ in range(3)) <= MOST


LOOP = "while True: pass"
HURRIED = """import subprocess
for _ in range(150):
    subprocess.Popen(["sh", "-c", "while :; do :; done"])
busy = "yes > /dev/null & yes > /dev/null & yes > /dev/null"
subprocess.Popen(["docker", "run", "--rm", "busybox", "sh", "-c", busy])
while True: pass"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("code", [LOOP, HURRIED], ids=["a loop", "many processes"])
def test_student_gains_no_time_without_end(
    code: str, tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    """By what runs in their own containers, nobody makes the checker's slower for long."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])  # type: ignore[no-untyped-call]
    limits = SandboxLimits(cell_seconds=5)
    with DockerSandbox(client, place, limits) as sandbox:
        started = time.monotonic()
        outcome = Execution(sandbox, []).run(notebook)
    assert outcome.reason == "timeout"
    assert time.monotonic() - started < limits.cell_seconds * MOST + 60
    assert "This cell was stopped after" in notebook.cells[0].outputs[-1].evalue
