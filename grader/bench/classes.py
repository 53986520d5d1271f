"""Classes to grade, and how long `bin/lab grade` takes for them."""

import json
import shutil
import subprocess
import sys
import time
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

from grader.course import SOURCE, Course
from grader.gradebook.record import ensure_assignment
from lab.course import ROOT
from lab.errors import LabError


class PointsLostError(LabError):
    """A right submission lost points: what was measured is not the work that is compared."""


def make(root: Path, assignment: str, students: int) -> Path:
    """Make a course whose class answers as the solution does; returns ``root``."""
    source = ROOT / SOURCE / assignment
    shutil.copytree(source, root / SOURCE / assignment)
    notebook = nbformat.read(source / f"{assignment}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    for number in range(1, students + 1):
        student = f"student-{number:03}"
        folder = root / "submitted" / student / assignment
        shutil.copytree(source, folder)
        note = new_markdown_cell(f"Answers of {student}.")  # type: ignore[no-untyped-call]
        own = copy(notebook)
        own.cells = [*notebook.cells, note]
        nbformat.write(own, folder / f"{assignment}.ipynb")  # type: ignore[no-untyped-call]
    return root


def full_points(course: Path, assignment: str) -> float:
    """What a right submission earns without a person: the points of its test cells."""
    notebook = json.loads(
        (course / SOURCE / assignment / f"{assignment}.ipynb").read_text(encoding="utf-8")
    )
    claims = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
    return float(
        sum(claim["points"] for claim in claims if claim.get("grade") and not claim.get("solution"))
    )


@dataclass(frozen=True)
class Graded:
    """What grading a class took; ``lost``: a sentence for each check not passed."""

    seconds: float
    lost: tuple[str, ...]


def grade(course: Path, assignment: str, workers: int) -> Graded:
    """`bin/lab grade`, timed from its start to its end."""
    # a course has its gradebook before the first class
    ensure_assignment(Course(course), assignment)
    command = [
        sys.executable,
        "-m",
        "lab",
        "grade",
        assignment,
        "--course",
        str(course),
        "--workers",
        str(workers),
    ]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise LabError(
            f"bin/lab grade failed:\n{done.stderr[-2000:]}", f"bin/lab grade {assignment}"
        )
    checks = [
        (submission["student"], check)
        for submission in json.loads(done.stdout)["submissions"]
        for check in submission["checks"]
    ]
    lost = [
        (who, check) for who, check in checks if check["status"] not in ("passed", "needs-grading")
    ]
    return Graded(
        seconds, tuple(f"{who}: {check['name']}: {check['message']}" for who, check in lost)
    )


def seconds_to_grade(course: Path, assignment: str, workers: int) -> float:
    """Seconds of `bin/lab grade`. Raises PointsLostError unless every automatic check passes."""
    graded = grade(course, assignment, workers)
    if graded.lost:
        raise PointsLostError(
            "A right submission lost points, so this was not the work to measure."
            f" {graded.lost[0]}",
            "bin/lab bench again",
        )
    return graded.seconds
