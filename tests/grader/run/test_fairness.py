"""Fair: graded for real, what is not a student's fault costs nothing, and what is costs no more
than it must.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook, MissingEntry

from grader.course import Course
from grader.exercise.release import generate
from grader.judging.results import Result
from grader.run import local
from grader.run.classrun import plan
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxError, SandboxLimits
from lab.course import ROOT

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(600)]

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
GRADINGS = int(os.environ.get("GRADINGS", "3"))  # 20 before a release
LIMITS = SandboxLimits(cell_seconds=60, submission_seconds=300)
WEB = "!docker run -d --name web busybox sleep 600"
REST = "answer = ['a', 'b', 'c']\nopen('Dockerfile', 'w').write('FROM busybox\\n')"
Change = Callable[[NotebookNode], None]


def named(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    return next(
        one
        for one in notebook.cells
        if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def right(notebook: NotebookNode) -> None:
    for grade_id, source in (("q1", WEB), ("q2", REST), ("q3", "A process.")):
        named(notebook, grade_id).source = source


def partly(notebook: NotebookNode) -> None:
    right(notebook)
    named(notebook, "q2").source = "answer = ['a', 'b']"


def answering(q1: str = WEB, q2: str = REST) -> Change:
    """Other answers to the first two questions."""

    def change(notebook: NotebookNode) -> None:
        right(notebook)
        named(notebook, "q1").source, named(notebook, "q2").source = q1, q2

    return change


def split_doubled_and_edited(notebook: NotebookNode) -> None:
    """All that JupyterLab's menus do to a notebook in innocence: both halves of a split cell keep
    its metadata.
    """
    right(notebook)
    first, second = REST.splitlines()
    answer = named(notebook, "q2")
    answer.source = second
    notebook.cells.insert(
        notebook.cells.index(answer), new_code_cell(first, metadata=answer.metadata)
    )
    test = named(notebook, "q1-test")
    notebook.cells.append(new_code_cell(test.source, metadata=test.metadata))
    named(notebook, "q2-test").source += "\n# I wonder what this does"
    notebook.cells = [
        one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") != "setup"
    ]


def class_of(root: Path, submissions: dict[str, Change], assignment: str, source: Path) -> Course:
    """A course in which each of them handed in what the change makes of the release."""
    shutil.copytree(source / assignment, root / "solutions" / assignment)
    generate(root, assignment, root / "assignments")
    released = nbformat.read(
        root / "assignments" / assignment / f"{assignment}.ipynb", as_version=4
    )  # type: ignore[no-untyped-call]
    for student, change in submissions.items():
        notebook = nbformat.from_dict(json.loads(json.dumps(released)))  # type: ignore[no-untyped-call]
        change(notebook)
        folder = root / "submitted" / student / assignment
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{assignment}.ipynb")  # type: ignore[no-untyped-call]
    return Course(root)


def tiny(root: Path, submissions: dict[str, Change]) -> Course:
    return class_of(root, submissions, "tiny", FIXTURE / "solutions")


def grade(
    course: Course, client: docker.DockerClient, place: SandboxImage, assignment: str = "tiny"
) -> dict[str, Result]:
    results = plan(course.root, assignment).grade(client, place, LIMITS, 2, lambda result: None)
    return {result.student: result for result in results}


@pytest.mark.timeout(200 * GRADINGS)
def test_graded_again_each_submission_gets_the_same_to_the_last_check(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    """And nobody's mistake costs the others anything: broken work is graded among them, each
    time.
    """
    noisy = (
        "import sys, warnings\nwarnings.warn('old')\nprint('x' * 100_000)\nprint('y' * 100_000,"
        " file=sys.stderr)\n"
    )
    work: dict[str, tuple[Change, list[float]]] = {
        "ada": (right, [3, 3, 2, 0]),
        "bob": (partly, [3, 2, 0, 0]),
        "cyd": (split_doubled_and_edited, [3, 3, 2, 0]),
        "dan": (lambda _: None, [0, 0, 0, 0]),
        "eve": (answering(q2=f"{REST}\nimport os\nos._exit(1)"), [3, 0, 2, 0]),
        "fay": (answering(q2=noisy + REST), [3, 3, 2, 0]),
        "gil": (answering(q1="!docker run -d --name web busybox false"), [0, 3, 2, 0]),
        "hal": (answering(q1=f"{WEB}\n!docker kill web"), [0, 3, 2, 0]),
        "ida": (answering(q1=f"{WEB}\n!docker stop -t 0 web && docker start web"), [3, 3, 2, 0]),
        "joe": (answering(q2="answer = ['a']\nraise SystemExit"), [3, 1, 0, 0]),
    }
    gradings: list[dict[str, Any]] = []
    for number in range(GRADINGS):
        course = tiny(tmp_path / str(number), {name: change for name, (change, _) in work.items()})
        (course.folder("submitted", "tiny", "dan") / "tiny.ipynb").write_text("no notebook")
        results = grade(course, client, place)
        gradings.append(
            {name: (result.checks, result.reason, result.notes) for name, result in results.items()}
        )
    assert [grading for grading in gradings if grading != gradings[0]] == []
    points = {name: [check.points for check in result.checks] for name, result in results.items()}
    assert points == {name: expected for name, (_, expected) in work.items()}
    assert results["dan"].reason == "malformed"
    assert results["cyd"].notes == [
        "Cell q2 was there more than once: the last one counts.",
        "Cell q1-test was there more than once: the last one counts.",
        "Cell q2-test had been edited: it says what was released again.",
        "Cells had been moved: they are in the released order again.",
        "Cell setup was missing: it was put back as released.",
    ]


def test_kernel_that_dies_in_question_4_keeps_questions_1_to_3(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    def dies(notebook: NotebookNode) -> None:
        solution = nbformat.read(ROOT / "solutions/01-containers/01-containers.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        for grade_id in ("later", "bell", "cache"):
            named(notebook, grade_id).source = named(solution, grade_id).source
        named(notebook, "job").source = "import os\nos._exit(1)"

    course = class_of(tmp_path, {"ada": dies}, "01-containers", ROOT / "solutions")
    result = grade(course, client, place, "01-containers")["ada"]
    assert result.reason == "kernel-died"
    assert [check.points for check in result.checks][:6] == [1, 1, 1, 1, 2, 0]
    assert result.points == 6


def failing_sandboxes(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The machine fails that often before it makes a sandbox."""
    left = [times]

    def make(*args: Any, **options: Any) -> DockerSandbox:
        if left[0]:
            left[0] -= 1
            raise SandboxError("the machine has no room")
        return DockerSandbox(*args, **options)

    monkeypatch.setattr(local, "DockerSandbox", make)


def test_sandbox_that_fails_twice_costs_nothing(
    tmp_path: Path,
    client: docker.DockerClient,
    place: SandboxImage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing_sandboxes(monkeypatch, times=2)
    result = grade(tiny(tmp_path, {"ada": right}), client, place)["ada"]
    assert (result.reason, result.points) == (None, 8)


def test_environment_that_stays_broken_is_no_mark_and_takes_none(
    tmp_path: Path,
    client: docker.DockerClient,
    place: SandboxImage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    course = tiny(tmp_path, {"ada": right})
    failing_sandboxes(monkeypatch, times=100)
    result = grade(course, client, place)["ada"]
    assert (result.graded, result.reason) == (False, "environment")
    assert result.notes[0] == "the machine has no room (tried 3 times)"
    with Gradebook(course.db_url) as gradebook, pytest.raises(MissingEntry):
        gradebook.find_submission("tiny", "ada")
    page = (course.folder("feedback", "tiny", "ada") / "not-graded.html").read_text()
    assert "It costs you nothing" in page
