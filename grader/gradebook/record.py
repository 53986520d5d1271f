"""nbgrader's gradebook: what was released is read from it, what was earned goes into it. Nothing
else of the grader touches it.

nbgrader changes the working directory of the process while it converts, so all that calls it holds
one lock and paths are absolute.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from filelock import FileLock
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry  # type: ignore[import-untyped]
from nbgrader.converters import Autograde  # type: ignore[import-untyped]
from nbgrader.preprocessors import (  # type: ignore[import-untyped]
    AssignLatePenalties,
    CheckCellMetadata,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)
from nbgrader.utils import determine_grade, parse_utc  # type: ignore[import-untyped]
from sqlalchemy.exc import SAWarning
from traitlets import Dict as DictTrait
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from grader.course import (
    AUTOGRADED,
    DATABASE,
    JOURNAL,
    RELEASED,
    SOURCE,
    TIMESTAMP,
    Course,
    source_hash,
    sources,
    swap,
)
from grader.exercise.cells import ReleasedCell
from grader.exercise.nbgrader import (
    LOCK,
    course_directory,
    find_alembic,
    literal,
    quiet_log,
    what_nbgrader_said,
)
from grader.exercise.release import generate
from grader.gradebook import upgrade
from lab.errors import LabError

WORKPLACE = ".grading-"


@dataclass(frozen=True)
class Recorded:
    """The gradebook's view of one graded cell. ``needs_grading``: a person has to look at it."""

    points: float
    needs_grading: bool
    by_hand: bool


class SaveGrades(SaveAutoGrades):  # type: ignore[misc]
    """Saves what the outputs of the test cells are worth. A mark that was given by hand stays
    settled unless its cell has changed.
    """

    previous = DictTrait(
        help="source of each graded cell at the last grading: {notebook: {grade_id: source}}"
    ).tag(config=True)

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        grade_id = cell.metadata["nbgrader"]["grade_id"]
        grade = self.gradebook.find_grade(
            grade_id, self.notebook_id, self.assignment_id, self.student_id
        )
        settled = grade.manual_score is not None and not grade.needs_manual_grade
        score, _ = determine_grade(cell, self.log)
        same = (
            self.previous.get(self.notebook_id, {}).get(grade_id) == cell.source
            and grade.auto_score == score
        )
        super()._add_score(cell, resources)
        if settled and same:
            grade.needs_manual_grade = False
            self.gradebook.db.commit()


def ensure_current(course: Course) -> None:
    """Bring what another version of the course wrote up to date. LabError where that cannot be."""
    files = [course.root / name for name in (DATABASE, JOURNAL, RELEASED)]
    with LOCK:
        if upgrade.is_old(*files[:2]):
            with _workplace(course):
                upgrade.migrate(*files)


def ensure_assignment(course: Course, assignment: str) -> None:
    """Make the gradebook know the assignment as ``solutions/`` has it now. Raises LabError."""
    existing = sources(course.root)
    if assignment not in existing:
        raise LabError(
            f"There is no assignment {assignment} in {course.root / SOURCE}.",
            f"one of: {', '.join(existing)}"
            if existing
            else "run this in a checkout of the course",
        )
    ensure_current(course)
    record = course.root / RELEASED
    wanted = source_hash(course, assignment)
    with LOCK:
        noted = json.loads(record.read_text()) if record.exists() else {}
        if noted.get(assignment) == wanted and _knows(course, assignment):
            return
        find_alembic()
        with tempfile.TemporaryDirectory(prefix="docker-course-") as folder:
            generate(course.root, assignment, Path(folder), course.db_url)
        record.write_text(json.dumps({**noted, assignment: wanted}, indent=2) + "\n")


def released_cells(course: Course, assignment: str) -> dict[str, list[ReleasedCell]]:
    """The cells of each notebook as they were released, in the source's order."""
    with LOCK, _opened(course) as gradebook:
        return {
            notebook.name: _in_order(
                notebook, course.folder(SOURCE, assignment) / f"{notebook.name}.ipynb"
            )
            for notebook in gradebook.find_assignment(assignment).notebooks
        }


def record(
    course: Course,
    assignment: str,
    student: str,
    notebooks: Mapping[str, NotebookNode],
    files: Mapping[str, bytes],
) -> dict[tuple[str, str], Recorded]:
    """Write executed notebooks to ``autograded/`` and their grades to the gradebook; returns
    {(notebook, grade_id): grade}.

    ``files`` are the submission's other files. Raises LabError with nbgrader's own words.
    """
    with LOCK, _workplace(course) as folder:
        _stage(Path(folder, "in", student, assignment), notebooks, files)
        directory = course_directory(
            course,
            assignment,
            student_id=student,
            submitted_directory=f"{folder}/in",
            autograded_directory=f"{folder}/out",
        )
        with what_nbgrader_said(
            f"record the grades of {student}", "correct what it names, then grade again"
        ):
            converter = literal(Autograde)(
                coursedir=directory,
                log=quiet_log()[0],
                force=True,
                exclude_overwriting={assignment: list(files)},
            )
            converter.sanitize_preprocessors = [
                OverwriteKernelspec,
                OverwriteCells,
                CheckCellMetadata,
            ]
            converter.autograde_preprocessors = [SaveGrades, AssignLatePenalties, CheckCellMetadata]
            converter.config.merge(_late_config(course.root))
            converter.config.SaveGrades.previous = previous_sources(
                course.folder(AUTOGRADED, assignment, student)
            )
            converter.start()
        # last and whole: a run that is killed before this compares with the old answers once more
        swap(
            Path(folder, "out", student, assignment), course.folder(AUTOGRADED, assignment, student)
        )
        return recorded(course, assignment, student) or {}


def late_penalty(course: Course, assignment: str, student: str) -> float:
    """The points that the course's late-submission plugin takes off."""
    with LOCK, _opened(course) as gradebook:
        return float(gradebook.find_submission(assignment, student).late_submission_penalty or 0.0)


def _late_config(root: Path) -> Config:
    """What the course's own ``nbgrader_config.py`` says about late work."""
    file = root / "nbgrader_config.py"
    if not file.exists():
        return Config()
    config = PyFileConfigLoader(file.name, path=str(root)).load_config()
    plugin = config.AssignLatePenalties.get("plugin_class", "LateSubmissionPlugin")
    name = plugin.rpartition(".")[2] if isinstance(plugin, str) else plugin.__name__
    return Config(
        {section: config[section] for section in ("AssignLatePenalties", name) if section in config}
    )


@contextmanager
def _workplace(course: Course) -> Iterator[str]:
    """A folder for one writer at a time on this machine; leftovers go first."""
    with FileLock(course.root / f"{DATABASE}.lock"):
        for leftover in course.root.glob(f"{WORKPLACE}*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=WORKPLACE, dir=course.root) as folder:
            yield folder


def _stage(folder: Path, notebooks: Mapping[str, NotebookNode], files: Mapping[str, bytes]) -> None:
    """nbgrader sees our own notebooks and plain files, never what was handed in."""
    folder.mkdir(parents=True)
    for path, content in files.items():
        if path == TIMESTAMP and not _is_time(content):
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for name, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")  # type: ignore[no-untyped-call]


def _is_time(content: bytes) -> bool:
    try:
        return parse_utc(content.decode().strip()) is not None
    except (ValueError, OverflowError):
        return False


def recorded(
    course: Course, assignment: str, student: str
) -> dict[tuple[str, str], Recorded] | None:
    """The grades as {(notebook, grade_id): grade}; None where there are none."""
    with LOCK, _opened(course) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return None
        return {
            (notebook.name, grade.name): Recorded(
                max(grade.score or 0.0, 0.0),
                grade.needs_manual_grade,
                grade.manual_score is not None,
            )
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def previous_sources(folder: Path) -> dict[str, dict[str, str]]:
    """What was graded the last time, by notebook and cell."""
    graded: dict[str, dict[str, str]] = {}
    for path in folder.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
        graded[path.stem] = {
            cell.metadata.nbgrader.grade_id: cell.source
            for cell in cells
            if "nbgrader" in cell.metadata
        }
    return graded


def _in_order(notebook: Any, source: Path) -> list[ReleasedCell]:
    graded = {cell.name: cell for cell in notebook.grade_cells}
    tasks = {cell.name: cell for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    cells = {cell.name: cell for cell in notebook.source_cells}
    points = {name: float(cell.max_score) for name, cell in (*graded.items(), *tasks.items())}
    claims = [
        cell["metadata"].get("nbgrader", {})
        for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]
    ]
    return [
        ReleasedCell(
            grade_id=name,
            cell_type=cells[name].cell_type,
            source=cells[name].source,
            locked=bool(cells[name].locked),
            graded=name in graded,
            solution=name in solutions,
            task=name in tasks,
            points=points.get(name, 0.0),
            checksum=cells[name].checksum,
        )
        for name in (claim.get("grade_id") for claim in claims)
        if name in cells
    ]


def _knows(course: Course, assignment: str) -> bool:
    with _opened(course) as gradebook:
        try:
            return len(gradebook.find_assignment(assignment).notebooks) > 0
        except MissingEntry:
            return False


# nbgrader's own way of adding rows: no concern of an instructor's
warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.api")


@contextmanager
def _opened(course: Course) -> Iterator[Gradebook]:
    find_alembic()
    with Gradebook(course.db_url) as gradebook:
        yield gradebook
