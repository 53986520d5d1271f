"""A class: who is graded, and how many at once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import docker

from grader.archive import printable
from grader.course import SUBMITTED, Course, submitters
from grader.gradebook import upgrade
from grader.judging.results import Result
from grader.run.grading import Grading, find_unchanged, judged_by_others
from grader.run.judged_by import JudgedBy
from grader.run.local import LocalCarrier
from grader.run.regrade import ensure_questions
from grader.run.submission import Assignment
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits
from lab.errors import LabError

Done = Callable[[Result], None]


@dataclass(frozen=True)
class Run:
    """One run over a class: which students, and which questions where not all."""

    assignment: Assignment
    students: tuple[str, ...]
    questions: tuple[str, ...] = ()

    def grade(
        self,
        client: docker.DockerClient,
        image: SandboxImage,
        limits: SandboxLimits,
        workers: int,
        done: Done,
        *,
        again: bool = False,
    ) -> list[Result]:
        """Grade what is new or has changed, or (``again``, or for ``questions``) everything;
        ``done`` hears of each result as it comes.

        The results are in the order of ``students``. On KeyboardInterrupt what is not finished is
        given up; what is finished stays recorded. No sandbox is left either way.
        """
        assignment = self.assignment
        judged_by = JudgedBy.now(assignment.course, assignment.name, image, limits)
        grading = Grading(assignment, judged_by, self.questions)
        results: dict[str, Result] = {}
        lock = threading.Lock()

        def add(result: Result) -> None:
            with lock:
                results[result.student] = result
                done(result)

        if not (again or self.questions):
            for student in self.students:
                if unchanged := find_unchanged(grading, student):
                    add(unchanged)
        waiting = [student for student in self.students if student not in results]
        if not (again or self.questions):
            anew = sum(judged_by_others(grading, student) for student in waiting)
            upgrade.announce(kept=len(grading.adopted), anew=anew)
        needed = len(waiting) * len(assignment.cells)
        with LocalCarrier(
            client, image, limits, nodes=assignment.nodes, ahead=workers, needed=needed
        ) as carrier:
            in_parallel(
                workers,
                lambda student: add(carrier.grade(grading, student)),
                waiting,
                carrier.close,
            )
        return [results[student] for student in self.students]


def in_parallel(
    workers: int, work: Callable[[str], None], names: Iterable[str], stop: Callable[[], None]
) -> None:
    """Do the work for each name. At the end, also an early one, ``stop`` ends the rest."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="grade")
    try:
        for _ in pool.map(work, names):
            pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        pool.shutdown()


def plan(
    root: Path, assignment: str, students: Iterable[str] = (), questions: Iterable[str] = ()
) -> Run:
    """The run over all students and checks, or the named. LabError: one is not there."""
    course = Course(root)
    released = Assignment.open(course, assignment)
    class_list = submitters(course)
    if unknown := sorted(set(students) - set(class_list)):
        raise LabError(
            f"There is no folder of {', '.join(unknown)} in {root / SUBMITTED}.",
            f"one of: {printable(', '.join(class_list)) or 'none yet: bin/lab collect FILE...'}",
        )
    if not class_list:
        raise LabError(
            f"There are no submissions in {root / SUBMITTED}.",
            "bin/lab collect FILE..., then grade again",
        )
    wanted = tuple(questions)
    ensure_questions(wanted, released.cells)
    return Run(released, tuple(sorted(set(students)) or class_list), wanted)
