"""A submission on its way to a sandbox: read from its folder, repaired, cut into work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nbformat import NotebookNode

from grader.archive import HandInLimits, folder_members, printable, take
from grader.course import SOURCE, SUBMITTED, TIMESTAMP, Course
from grader.exercise.cells import ReleasedCell
from grader.exercise.cluster import nodes_of
from grader.gradebook.journal import key_of
from grader.gradebook.record import ensure_assignment, released_cells
from grader.judging.notes import limited
from grader.judging.repair import MalformedError, read, restore
from grader.judging.work import Work
from grader.run.judged_by import JudgedBy
from grader.sandbox.interface import SandboxLimits

# a notebook swollen by its outputs is still a notebook
LIMITS = HandInLimits(notebook_bytes=100 << 20, total_bytes=120 << 20)


@dataclass(frozen=True)
class Assignment:
    """What was released to a class."""

    course: Course
    name: str
    cells: Mapping[str, Sequence[ReleasedCell]]

    @classmethod
    def open(cls, course: Course, name: str) -> "Assignment":
        """The assignment as ``solutions/`` has it now. Raises LabError when it is not there."""
        ensure_assignment(course, name)
        return cls(course, name, released_cells(course, name))

    @cached_property
    def files(self) -> dict[str, bytes]:
        """What lies beside the notebooks."""
        files = take(folder_members(self.course.folder(SOURCE, self.name))).files
        return {path: content for path, content in files.items() if not path.endswith(".ipynb")}

    @cached_property
    def nodes(self) -> int:
        """How many nodes its sandboxes' cluster has, by the trusted source; 0: no cluster."""
        source = self.course.folder(SOURCE, self.name)
        return max((nodes_of(source / f"{name}.ipynb") for name in self.cells), default=0)


@dataclass(frozen=True)
class Submission:
    """One student's folder as it was handed in; ``notes`` say what was left out of it."""

    student: str
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, assignment: Assignment, student: str) -> "Submission":
        """Raises MalformedError or UntrustedError when there is nothing that can be graded."""
        if student != printable(student):
            raise MalformedError(
                f"The folder {printable(student)} has a name that no student has: give it another."
            )
        folder = assignment.course.folder(SUBMITTED, assignment.name, student)
        if not folder.is_dir() or folder.is_symlink():
            raise MalformedError(f"Nothing was handed in: there is no folder {assignment.name}.")
        contents = take(folder_members(folder, LIMITS), LIMITS)
        notes = (
            f"{printable(refusal.path)} was left out: {refusal.reason}."
            for refusal in contents.refused
        )
        return cls(student, contents.files, tuple(notes))

    @property
    def work_key(self) -> str:
        """Stands for the files alone."""
        return key_of(self.files, ())

    def key(self, judged_by: JudgedBy) -> str:
        """Stands for the files and for all that judges them."""
        return key_of(self.files, judged_by.parts())

    def repaired(self, assignment: Assignment) -> "Repaired":
        """Every notebook put back to what was released. Raises MalformedError."""
        handed_in = {path: text for path, text in self.files.items() if path.endswith(".ipynb")}
        others = {path: text for path, text in self.files.items() if path not in handed_in}
        notes = list(self.notes)
        notebooks = {}
        try:
            for name, cells in assignment.cells.items():
                content = handed_in.pop(f"{name}.ipynb", None)
                if content is None and len(assignment.cells) == len(handed_in) == 1:
                    path, content = handed_in.popitem()
                    notes.append(f"{path} was taken for {name}.ipynb: it is the only notebook.")
                if content is None:
                    raise MalformedError(f"The notebook {name}.ipynb is missing.")
                notebooks[name], repairs = restore(read(content), cells)
                notes += repairs
        except MalformedError as why:
            raise MalformedError(str(why), notes) from why
        return Repaired(self.student, notebooks, others, tuple(limited(notes)))


@dataclass(frozen=True)
class Repaired:
    """A submission whose notebooks are the released ones with the student's answers.

    ``files`` are the others; ``notes`` have a sentence for each repair.
    """

    student: str
    notebooks: Mapping[str, NotebookNode]
    files: Mapping[str, bytes]
    notes: tuple[str, ...]

    def work(self, assignment: Assignment, name: str, limits: SandboxLimits) -> Work:
        """One notebook to run, beside the released files with the student's own over them."""
        own = {path: content for path, content in self.files.items() if path != TIMESTAMP}
        return Work(
            self.notebooks[name],
            tuple(assignment.cells[name]),
            {**assignment.files, **own},
            limits,
            assignment.nodes,
            assignment.files,
        )
