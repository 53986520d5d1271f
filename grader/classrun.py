"""Grading a class: each submission by itself, so that nothing in one can cost another anything."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException
from nbformat import NotebookNode

from grader import feedback
from grader.archive import Limits as FileLimits
from grader.archive import RefusedError, folder_members, take
from grader.execute import Execution, Outcome
from grader.gradebook import Course, Recorded, ensure_assignment, late_penalty, record, released_cells
from grader.release import SOURCE
from grader.repair import MalformedError, ReleasedCell, read, restore
from grader.results import Check, Reason, Result
from grader.sandbox import Limits, Place, Sandbox, SandboxError, sweep
from lab.errors import LabError

ATTEMPTS = 3  # a sandbox that fails is made anew twice
SUBMITTED = FileLimits(
    notebook_bytes=100 << 20, total_bytes=120 << 20
)  # a notebook swollen by its outputs is still a notebook
HANDED_IN_TIME = "timestamp.txt"
SEVERITY: tuple[Reason, ...] = ("environment", "out-of-memory", "kernel-died", "timeout")

Done = Callable[[Result], None]


@dataclass(frozen=True)
class Grader:
    """All that grading a submission needs."""

    course: Course
    assignment: str
    client: docker.DockerClient
    place: Place
    limits: Limits
    released: Mapping[str, Sequence[ReleasedCell]]

    def grade(self, student: str) -> Result:
        """Grade one student's folder; whatever is wrong with it or with us is in the result."""
        start = time.monotonic()
        try:
            result = self._graded(student)
            self._write_feedback(result)
        except Exception as error:  # whatever it is, it must not reach the rest of the class
            result = self._not_graded(
                student, "environment", f"The grader itself failed: {type(error).__name__}: {error}", []
            )
        result.seconds = time.monotonic() - start
        return result

    def _write_feedback(self, result: Result) -> None:
        if result.graded:
            feedback.write(self.course, self.assignment, result.student)
        else:
            feedback.write_reason(self.course, self.assignment, result)

    def _graded(self, student: str) -> Result:
        notes: list[str] = []
        try:
            files = self._read(student, notes)
            notebooks = self._repaired(files, notes)
        except (MalformedError, RefusedError) as why:
            return self._not_graded(student, "malformed", str(why), notes)
        try:
            outcomes = self._execute(notebooks, files, notes)
            grades = record(self.course, self.assignment, student, notebooks, files)
            penalty = late_penalty(self.course, self.assignment, student)
        except (SandboxError, DockerException, LabError) as error:
            return self._not_graded(student, "environment", str(error), notes)
        reasons = {outcome.reason for outcome in outcomes.values()}
        reason = next((one for one in SEVERITY if one in reasons), None)
        checks = [
            check for name, cells in self.released.items() for check in checks_of(name, cells, outcomes[name], grades)
        ]
        return Result(student, checks, reason, notes=notes, late_penalty=penalty)

    def _read(self, student: str, notes: list[str]) -> dict[str, bytes]:
        folder = self.course.folder("submitted", self.assignment, student)
        if not folder.is_dir() or folder.is_symlink():
            raise MalformedError(f"Nothing was handed in: there is no folder {self.assignment}.")
        contents = take(folder_members(folder, SUBMITTED), SUBMITTED)
        notes += [f"{refusal.path} was left out: {refusal.reason}." for refusal in contents.refused]
        return contents.files

    def _repaired(self, files: dict[str, bytes], notes: list[str]) -> dict[str, NotebookNode]:
        """The notebooks to grade; they are taken out of ``files``."""
        handed_in = {path: files.pop(path) for path in list(files) if path.endswith(".ipynb")}
        notebooks = {}
        for name, cells in self.released.items():
            content = handed_in.pop(f"{name}.ipynb", None)
            if content is None and len(self.released) == len(handed_in) == 1:
                path, content = handed_in.popitem()
                notes.append(f"{path} was taken for {name}.ipynb: it is the only notebook.")
            if content is None:
                raise MalformedError(f"The notebook {name}.ipynb is missing.")
            notebooks[name], repairs = restore(read(content), cells)
            notes += repairs
        return notebooks

    def _execute(
        self, notebooks: Mapping[str, NotebookNode], files: Mapping[str, bytes], notes: list[str]
    ) -> dict[str, Outcome]:
        outcomes = {}
        for name, notebook in notebooks.items():
            outcomes[name] = self._in_a_sandbox(notebook, self.released[name], self._files_for_student(files))
            notes += outcomes[name].notes
            notebook.metadata["course"] = {"reason": outcomes[name].reason, "notes": list(notes)}
        return outcomes

    def _in_a_sandbox(
        self, notebook: NotebookNode, cells: Sequence[ReleasedCell], files: Mapping[str, bytes]
    ) -> Outcome:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with Sandbox(self.client, self.place, self.limits, files) as sandbox:
                    return Execution(sandbox, cells).run(notebook)
            except (SandboxError, DockerException) as error:
                if attempt == ATTEMPTS:
                    raise SandboxError(f"{error} (tried {ATTEMPTS} times)") from error
        raise AssertionError("unreachable")

    def _files_for_student(self, submitted: Mapping[str, bytes]) -> dict[str, bytes]:
        """What lies beside the notebook: as released, with the student's own versions over it."""
        source = self.course.folder(SOURCE, self.assignment)
        released = take(folder_members(source)).files
        own = {path: content for path, content in submitted.items() if path != HANDED_IN_TIME}
        return {**{path: content for path, content in released.items() if not path.endswith(".ipynb")}, **own}

    def _not_graded(self, student: str, reason: Reason, message: str, notes: list[str]) -> Result:
        """Nothing goes to the gradebook: a mark is neither given nor lost."""
        cells = [cell for released in self.released.values() for cell in released if cell.is_test or cell.is_manual]
        checks = [Check(cell.title, 0.0, cell.points, "skipped", message) for cell in cells]
        return Result(student, checks, reason, notes=[message, *notes])


def checks_of(
    notebook: str, cells: Sequence[ReleasedCell], outcome: Outcome, grades: Mapping[tuple[str, str], Recorded]
) -> Iterator[Check]:
    """The checks of a notebook with the points that the gradebook holds now: marks given by hand count."""
    for cell in cells:
        grade = grades.get((notebook, cell.grade_id))
        if cell.is_test and grade is not None:
            check = outcome.checks[cell.grade_id]
            points = min(grade.points, cell.points) if grade.by_hand else check.points
            yield Check(check.name, points, cell.points, check.status, check.message)
        elif cell.is_manual and grade is not None:
            yield _manual_check(cell, grade)


def _manual_check(cell: ReleasedCell, grade: Recorded) -> Check:
    points = min(grade.points, cell.points)
    if grade.needs_grading:
        return Check(cell.title, points, cell.points, "needs-grading", "A person reads this answer.")
    if grade.by_hand:
        return Check(cell.title, points, cell.points, "passed" if points else "failed", "Graded by a person.")
    return Check(
        cell.title,
        0.0,
        cell.points,
        "failed",
        feedback.NO_ANSWER,
    )


@dataclass(frozen=True)
class Run:
    """One run over a class: which students, and what was released to them."""

    course: Course
    assignment: str
    students: tuple[str, ...]
    released: Mapping[str, Sequence[ReleasedCell]]

    def grade(
        self, client: docker.DockerClient, place: Place, limits: Limits, workers: int, done: Done
    ) -> list[Result]:
        """Grade them all; ``done`` hears of each result as it comes. The results are in the order of ``students``."""
        sweep(client)
        grader = Grader(self.course, self.assignment, client, place, limits, self.released)
        lock = threading.Lock()

        def one(student: str) -> Result:
            result = grader.grade(student)
            with lock:
                done(result)
            return result

        pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="grade")
        try:
            return list(pool.map(one, self.students))
        finally:
            pool.shutdown(cancel_futures=True)


def plan(root: Path, assignment: str, students: Iterable[str] = ()) -> Run:
    """The run over all, or the named, students. Raises LabError when there is no such assignment, student or submission."""
    course = Course(root)
    ensure_assignment(course, assignment)
    known = submitters(course)
    if unknown := sorted(set(students) - set(known)):
        raise LabError(
            f"There is no folder of {', '.join(unknown)} in {root / 'submitted'}.",
            f"one of: {', '.join(known) or 'none yet: bin/lab collect FILE...'}",
        )
    if not known:
        raise LabError(
            f"There are no submissions in {root / 'submitted'}.", "bin/lab collect FILE..., then grade again"
        )
    return Run(course, assignment, tuple(sorted(set(students)) or known), released_cells(course, assignment))


def submitters(course: Course) -> list[str]:
    """The students who have a folder in ``submitted/``."""
    folder = course.root / "submitted"
    return (
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if folder.is_dir()
        else []
    )
