"""One's own work, graded as a class's is, in a course folder that is gone afterwards: gradebook,
hand-ins and pages of a class stay as they are.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import docker

from grader.course import FEEDBACK, SOURCE, SUBMITTED, Course
from grader.exercise.lint import sample_answers
from grader.handin.own_work import OwnWork
from grader.judging.results import Check, Result
from grader.pages import feedback
from grader.run.classrun import plan
from grader.run.submission import Assignment
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits
from lab.errors import LabError
from lab.files import write_whole

STUDENT = "you"


@dataclass
class Question:
    """A heading of a notebook, or the notebook's name before the first, with the checks below."""

    title: str
    checks: list[Check] = field(default_factory=list)


@dataclass(frozen=True)
class Checked:
    """What grading gave, and the pages that say it."""

    result: Result
    questions: list[Question]
    pages: list[Path]


def check(
    course: Course,
    work: OwnWork,
    pages: Path,
    client: docker.DockerClient,
    image: SandboxImage,
    limits: SandboxLimits | None = None,
) -> Checked:
    """Grade the work with the tests of the course, and put its pages into the folder ``pages``.

    Raises LabError when it could not be graded.
    """
    with tempfile.TemporaryDirectory(prefix="docker-course-check-") as folder:
        own = Course(Path(folder))
        source = course.folder(SOURCE, work.assignment)
        shutil.copytree(source, own.folder(SOURCE, work.assignment))
        _hand_in(work, own.folder(SUBMITTED, work.assignment, STUDENT))
        run = plan(own.root, work.assignment)
        [result] = run.grade(client, image, limits or SandboxLimits(), 1, lambda _: None)
        if not result.graded:
            raise _why_not_graded(work, result)
        samples = {name: sample_answers(source / f"{name}.ipynb") for name in run.assignment.cells}
        feedback.write(own, work.assignment, STUDENT, samples)
        written = own.folder(FEEDBACK, work.assignment, STUDENT)
        questions = list(_questions(run.assignment, result))
        return Checked(result, questions, list(_keep(written, pages)))


def _hand_in(work: OwnWork, folder: Path) -> None:
    for path, content in work.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _why_not_graded(work: OwnWork, result: Result) -> LabError:
    why = "\n".join(result.notes[:1])
    if result.reason == "environment":
        return LabError(
            f"{work.assignment} could not be graded, through no fault of your work: {why}",
            "bin/lab doctor, which examines this machine; then run this command again.",
        )
    return LabError(
        f"{work.assignment} was not graded: {why}",
        "clear the outputs, leave out what is not needed, and save the notebook; then run this"
        " command again.",
    )


def _questions(assignment: Assignment, result: Result) -> Iterator[Question]:
    """The checks of a graded submission below the headings of its notebooks, in their order."""
    checks = iter(result.checks)
    for notebook, cells in assignment.cells.items():
        question = Question(notebook)
        for cell in cells:
            if cell.cell_type == "markdown" and cell.locked and feedback.heading(cell.source):
                if question.checks:
                    yield question
                question = Question(feedback.heading(cell.source))
            if cell.is_test or cell.is_manual:
                found = next(checks)
                name = feedback.IN_WORDS if cell.is_manual else found.name
                question.checks.append(replace(found, name=name))
        if question.checks:
            yield question


def _keep(written: Path, pages: Path) -> Iterator[Path]:
    """Copy the pages to where they stay, in place of those of the last time."""
    for page in sorted(written.glob("*.html")):
        pages.mkdir(parents=True, exist_ok=True)
        write_whole(pages / page.name, page.read_bytes(), (os.getuid(), os.getgid()))
        yield pages / page.name
