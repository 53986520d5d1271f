"""One's own work in the workspace, to be graded on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.archive import folder_members, take
from grader.course import RELEASE, SOURCE, Course, sources
from grader.handin.submit import files_of, is_unanswered, work_folder
from lab.errors import LabError


@dataclass(frozen=True)
class OwnWork:
    """What would be handed in (path → content), with warnings about it."""

    assignment: str
    files: Mapping[str, bytes]
    warnings: tuple[str, ...] = ()


def read_work(course: Course, workspace: Path, assignment: str | None) -> OwnWork:
    """The work of an assignment in the workspace. LabError: there is none, or it cannot be graded
    in this checkout.
    """
    known = sources(course.root)
    if not known:
        raise LabError(
            f"Your work cannot be graded here: the hidden tests are in {SOURCE}/, which this copy"
            " of the course does not have.",
            "press Validate above the notebook: it runs your cells and the tests that you can see.",
        )
    folder = work_folder(workspace, assignment)
    name = folder.name
    if name not in known:
        raise LabError(
            f"{name} cannot be graded here: there are no tests of it in {course.root / SOURCE}.",
            f"one of: {', '.join(known)}.",
        )
    files, warnings = files_of(folder, name, course.root)
    if not _has_answers(course, name, files):
        raise LabError(
            f"{name} has no answers yet: in {folder} everything is as it was released.",
            "answer a question in JupyterLab and save the notebook (Ctrl-S, or Cmd-S); then run"
            " this command again.",
        )
    return OwnWork(name, files, tuple(warnings))


def _has_answers(course: Course, assignment: str, files: Mapping[str, bytes]) -> bool:
    """Whether a cell has been answered, or a file is not as it was released."""
    released = take(folder_members(course.folder(RELEASE, assignment))).files
    return any(
        not is_unanswered(content) if path.endswith(".ipynb") else released.get(path) != content
        for path, content in files.items()
    )
