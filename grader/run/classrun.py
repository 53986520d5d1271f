"""Grading a class: each submission by itself, so that nothing in one can cost another anything."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import docker
from docker.errors import DockerException
from nbformat import NotebookNode

from grader.archive import Limits as FileLimits
from grader.archive import RefusedError, folder_members, take
from grader.exercise.lint import wants_cluster
from grader.exercise.release import SOURCE
from grader.gradebook import upgrade
from grader.gradebook.journal import Entry, Journal, key_of
from grader.gradebook.record import (
    JOURNAL,
    Course,
    Recorded,
    ensure_assignment,
    late_penalty,
    previous_sources,
    record,
    recorded,
    released_cells,
    source_hash,
)
from grader.judging.execution import Execution, Outcome
from grader.judging.repair import MalformedError, ReleasedCell, read, restore
from grader.judging.results import Check, Reason, Result
from grader.pages import feedback
from grader.run.regrade import ensure_questions, keep_others
from grader.sandbox.docker import Limits, Place, Sandbox, SandboxError, sweep
from grader.sandbox.pool import Sandboxes, StoppedError
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
    released: Mapping[str, Sequence[ReleasedCell]]
    place: Place
    limits: Limits
    questions: tuple[str, ...] = ()
    adopted: list[str] = field(default_factory=list)

    def unchanged(self, student: str) -> Result | None:
        """The result that is recorded of this very submission, with the marks given by hand since;
        None where it has to be graded.
        """
        try:
            files = self._read(student, [])
            key = self._key(files)
            entry = self._journal.find(self.assignment, student, key) or self._adopted(
                student, key, key_of(files, ())
            )
        except (MalformedError, RefusedError):
            return None
        grades = recorded(self.course, self.assignment, student) if entry else None
        if entry is None or grades is None or not self._has_pages(student):
            return None
        return replace(
            result_of(self.course, self.assignment, student, self.released, entry, grades),
            unchanged=True,
        )

    def judged_by_others(self, student: str) -> bool:
        """Whether the work is as it was recorded, but not what judges it."""
        last = self._journal.last(self.assignment, student)
        try:
            files = self._read(student, [])
        except (MalformedError, RefusedError):
            return False
        if last is None:
            return False
        key, entry = last
        return entry.work == key_of(files, ()) and key != self._key(files)

    def _adopted(self, student: str, key: str, work: str) -> Entry | None:
        """What version 0.1.0 recorded of this work, under its new key from now on; it wrote down no
        limits, so the usual ones are taken for its.
        """
        row = self.assignment, student
        graded = previous_sources(self.course.folder("autograded", self.assignment, student))
        source = source_hash(self.course, self.assignment)
        entry = upgrade.adopt(self._journal, row, source, work, self.released, graded)
        if entry is None or self.limits != Limits():
            return None
        self._journal.rename_key(*row, key)
        self.adopted.append(student)
        return entry

    def grade(self, student: str, sandboxes: Sandboxes) -> Result:
        """Grade one student's folder; whatever is wrong with it or with us is in the result. Raises
        StoppedError only.
        """
        start = time.monotonic()
        try:
            result = self._graded(student, sandboxes, start)
            if not result.graded:
                feedback.write_reason(self.course, self.assignment, result)
        except StoppedError:
            raise
        except Exception as error:  # whatever it is, it must not reach the rest of the class
            result = self._not_graded(
                student,
                "environment",
                f"The grader itself failed: {type(error).__name__}: {error}",
                [],
            )
        result.seconds = time.monotonic() - start
        return result

    def _graded(self, student: str, sandboxes: Sandboxes, start: float) -> Result:
        notes: list[str] = []
        try:
            files = self._read(student, notes)
            key, work = self._key(files), key_of(files, ())
            notebooks = self._repaired(files, notes)
        except (MalformedError, RefusedError) as why:
            return self._not_graded(student, "malformed", str(why), notes)
        try:
            outcomes = self._execute(notebooks, files, notes, sandboxes)
            if before := self._before(student, work):
                key = before[0]  # the other checks are as old as that
                for name, notebook in notebooks.items():
                    keep_others(notebook, outcomes[name], before[1].outcomes[name], self.questions)
            self._journal.forget(self.assignment, student)
            grades = record(self.course, self.assignment, student, notebooks, files)
        except (SandboxError, DockerException, LabError) as error:
            return self._not_graded(student, "environment", str(error), notes)
        feedback.write(self.course, self.assignment, student)
        entry = Entry(outcomes, time.monotonic() - start, notes, work)
        self._journal.keep(self.assignment, student, key, entry)
        return result_of(self.course, self.assignment, student, self.released, entry, grades)

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self.course.root / JOURNAL)

    @cached_property
    def _circumstances(self) -> tuple[object, ...]:
        """The lab image is named after its content, the grader's code included."""
        return source_hash(self.course, self.assignment), self.place, self.limits

    def _before(self, student: str, work: str) -> tuple[str, Entry] | None:
        """Where questions are graded again: the key and the results of the same work; None where
        there are none to keep.
        """
        last = self._journal.last(self.assignment, student) if self.questions else None
        return (
            last
            if last and last[1].work == work and set(last[1].outcomes) == set(self.released)
            else None
        )

    def _key(self, files: Mapping[str, bytes]) -> str:
        return key_of(files, self._circumstances)

    def _has_pages(self, student: str) -> bool:
        folder = self.course.folder("feedback", self.assignment, student)
        return all((folder / f"{name}.html").is_file() for name in self.released)

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
        self,
        notebooks: Mapping[str, NotebookNode],
        files: Mapping[str, bytes],
        notes: list[str],
        sandboxes: Sandboxes,
    ) -> dict[str, Outcome]:
        outcomes = {}
        for name, notebook in notebooks.items():
            outcomes[name] = run_notebook(
                sandboxes, notebook, self.released[name], self._files_for_student(files)
            )
            notes += outcomes[name].notes
            notebook.metadata["course"] = {"reason": outcomes[name].reason, "notes": list(notes)}
        notes += [note for outcome in outcomes.values() for note in outcome.technical]
        return outcomes

    def _files_for_student(self, submitted: Mapping[str, bytes]) -> dict[str, bytes]:
        """What lies beside the notebook: as released, with the student's own versions over it."""
        source = self.course.folder(SOURCE, self.assignment)
        released = take(folder_members(source)).files
        own = {path: content for path, content in submitted.items() if path != HANDED_IN_TIME}
        return {
            **{path: content for path, content in released.items() if not path.endswith(".ipynb")},
            **own,
        }

    def _not_graded(self, student: str, reason: Reason, message: str, notes: list[str]) -> Result:
        """Nothing goes to the gradebook: a mark is neither given nor lost."""
        cells = [
            cell
            for released in self.released.values()
            for cell in released
            if cell.is_test or cell.is_manual
        ]
        checks = [Check(cell.title, 0.0, cell.points, "skipped", message) for cell in cells]
        return Result(student, checks, reason, notes=[message, *notes])


def run_notebook(
    sandboxes: Sandboxes,
    notebook: NotebookNode,
    cells: Sequence[ReleasedCell],
    files: Mapping[str, bytes],
) -> Outcome:
    """Run one notebook in a sandbox of its own; our side's failures are tried again. Raises
    SandboxError, StoppedError.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with sandboxes.sandbox() as sandbox:
                sandbox.bring(files)
                return Execution(sandbox, cells).run(notebook)
        except (SandboxError, DockerException) as error:
            if attempt == ATTEMPTS:
                raise SandboxError(f"{error} (tried {ATTEMPTS} times)") from error
    raise AssertionError("unreachable")


def result_of(
    course: Course,
    assignment: str,
    student: str,
    released: Mapping[str, Sequence[ReleasedCell]],
    entry: Entry,
    grades: Mapping[tuple[str, str], Recorded],
) -> Result:
    """What was recorded of a submission, with the marks that the gradebook holds now."""
    reasons = {outcome.reason for outcome in entry.outcomes.values()}
    reason = next((one for one in SEVERITY if one in reasons), None)
    checks = [
        check
        for name, cells in released.items()
        for check in checks_of(name, cells, entry.outcomes[name], grades)
    ]
    penalty = late_penalty(course, assignment, student)
    return Result(student, checks, reason, entry.seconds, entry.notes, penalty)


def last_results(root: Path, assignment: str) -> list[Result]:
    """The last recorded result of everybody who handed in; ``malformed`` for those of whom nothing
    could be graded.
    """
    course = Course(root)
    ensure_assignment(course, assignment)
    released, entries = (
        released_cells(course, assignment),
        Journal(root / JOURNAL).latest(assignment),
    )
    results = []
    for student in submitters(course):
        grades = recorded(course, assignment, student) if student in entries else None
        if grades is not None:
            results.append(
                result_of(course, assignment, student, released, entries[student], grades)
            )
        elif course.folder("submitted", assignment, student).is_dir():
            results.append(
                Result(
                    student,
                    [],
                    "environment",
                    notes=["Not graded yet, or not to be graded: see bin/lab grade."],
                )
            )
    return results if entries else []


def checks_of(
    notebook: str,
    cells: Sequence[ReleasedCell],
    outcome: Outcome,
    grades: Mapping[tuple[str, str], Recorded],
) -> Iterator[Check]:
    """The checks of a notebook with the points that the gradebook holds now: marks given by hand
    count.
    """
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
        return Check(
            cell.title, points, cell.points, "needs-grading", "A person reads this answer."
        )
    if grade.by_hand:
        return Check(
            cell.title, points, cell.points, "passed" if points else "failed", "Graded by a person."
        )
    return Check(cell.title, 0.0, cell.points, "failed", feedback.NO_ANSWER)


@dataclass(frozen=True)
class Run:
    """One run over a class: which students, what was released to them, and whether its sandboxes
    have a cluster.
    """

    course: Course
    assignment: str
    students: tuple[str, ...]
    released: Mapping[str, Sequence[ReleasedCell]]
    questions: tuple[str, ...] = ()
    cluster: bool = False

    def grade(
        self,
        client: docker.DockerClient,
        place: Place,
        limits: Limits,
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
        sweep(client)
        grader = Grader(self.course, self.assignment, self.released, place, limits, self.questions)
        results: dict[str, Result] = {}
        lock = threading.Lock()

        def take(result: Result) -> None:
            with lock:
                results[result.student] = result
                done(result)

        for found in (
            () if again or self.questions else filter(None, map(grader.unchanged, self.students))
        ):
            take(found)
        waiting = [student for student in self.students if student not in results]
        if not (again or self.questions):
            anew = sum(map(grader.judged_by_others, waiting))
            upgrade.announce(kept=len(grader.adopted), anew=anew)
        needed = len(waiting) * len(self.released)
        make = partial(Sandbox, client, place, limits, cluster=self.cluster)
        with Sandboxes(make, ahead=workers, needed=needed) as sandboxes:
            in_parallel(
                workers,
                lambda student: take(grader.grade(student, sandboxes)),
                waiting,
                sandboxes.close,
            )
        return [results[student] for student in self.students]


def in_parallel(
    workers: int, work: Callable[[str], None], names: Iterable[str], stop: Callable[[], None]
) -> None:
    """Do the work for each name. At the end, also an early one, nothing is running: ``stop`` is
    called to end what is under way.
    """
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
    """The run over all, or the named, students and checks. Raises LabError when there is no such
    assignment, student, submission or check.
    """
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
            f"There are no submissions in {root / 'submitted'}.",
            "bin/lab collect FILE..., then grade again",
        )
    released, wanted = released_cells(course, assignment), tuple(questions)
    ensure_questions(wanted, released)
    source = course.folder(SOURCE, assignment)
    cluster = any(
        wants_cluster(source / f"{name}.ipynb") for name in released
    )  # the trusted source says so
    return Run(course, assignment, tuple(sorted(set(students)) or known), released, wanted, cluster)


def submitters(course: Course) -> list[str]:
    """The students who have a folder in ``submitted/``."""
    folder = course.root / "submitted"
    return (
        sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
        if folder.is_dir()
        else []
    )
