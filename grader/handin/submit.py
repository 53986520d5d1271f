"""``lab submit``: the student's folder, checked and packed into the one file to hand in."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from grader.archive import Refusal, UntrustedError, folder_members, printable, read_file, take
from grader.course import RELEASE
from grader.handin.manifest import (
    RESERVED,
    Exercise,
    Manifest,
    describe,
    exchange_submission,
    file_name,
    file_pattern,
    grade_ids,
    is_foreign,
    nbgrader_metadata,
    notebook_cells,
    pack,
    released,
    student_name,
)
from lab.course import ROOT
from lab.errors import LabError
from lab.files import write_whole

REMEMBERED = ".student"  # in the workspace: who submitted from here last
EXCHANGE = ".exchange"  # in the workspace: where JupyterLab's Submit button puts its copies
HAND_IN_FOLDER = "hand-in"  # in the workspace: where the file to hand in appears


@dataclass
class Packed:
    """What ``submit`` made, and what the student should know about it."""

    path: Path
    manifest: Manifest
    warnings: list[str] = field(default_factory=list)


def submit(
    workspace: Path,
    assignment: str,
    student: str | None,
    course: Path = ROOT,
    *,
    from_exchange: bool = False,
) -> Packed:
    """Pack an assignment of the workspace into one file in its ``hand-in`` folder.

    ``student`` None: as remembered from last time. Raises LabError if there is nothing that can be
    graded.
    """
    folder, time = (
        _exchange_folder(workspace, assignment)
        if from_exchange
        else (work_folder(workspace, assignment), datetime.now(UTC))
    )
    name = _student(workspace, student)
    files, warnings = files_of(folder, assignment, course)
    manifest = describe(name, assignment, time, files)
    path = workspace / HAND_IN_FOLDER / file_name(manifest)
    try:
        _write(path, pack(manifest, files), workspace)
        _write(workspace / REMEMBERED, f"{name}\n".encode(), workspace)
    except OSError as error:
        raise LabError(
            f"The file to hand in cannot be written to {path.parent} ({error.strerror}).",
            "free some space or make the folder writable, then submit again.",
        ) from error
    return Packed(path, manifest, warnings)


def work_folder(workspace: Path, assignment: str | None) -> Path:
    """The folder of an assignment in the workspace. LabError, with the names that there are: it is
    not there, or None was given.
    """
    base = workspace / RELEASE
    existing = sorted(path.name for path in base.glob("[!.]*") if path.is_dir())
    if not existing:
        raise LabError(f"There are no assignments in {base}.", "bin/lab up, which brings them all")
    if assignment is None:
        raise LabError(
            "Which assignment? No name was given.", f"one of those in {base}: {', '.join(existing)}"
        )
    if assignment not in existing:
        raise LabError(
            f"There is no assignment {assignment!r} in {base}.",
            f"one that is there: {', '.join(existing)}.",
        )
    return base / assignment


def is_submitted(workspace: Path, assignment: str) -> bool:
    """Whether an assignment was packed in this workspace, or sent by JupyterLab's Submit button."""
    packed = (workspace / HAND_IN_FOLDER).glob(file_pattern(assignment))
    return any(packed) or bool(_sent(workspace, assignment))


def _sent(workspace: Path, assignment: str) -> list[tuple[datetime, Path]]:
    """What JupyterLab's Submit button has copied, and when."""
    return [
        (named[2], path)
        for path in (workspace / EXCHANGE).glob("*/inbound/*")
        if (named := exchange_submission(path.name)) and named[1] == assignment
    ]


def _exchange_folder(workspace: Path, assignment: str) -> tuple[Path, datetime]:
    sent = _sent(workspace, assignment)
    if not sent:
        raise LabError(
            f"JupyterLab's Submit button has not sent {assignment} yet.",
            "press Submit in the assignment list, or leave out --from-exchange to pack the files as"
            " they are now.",
        )
    time, path = max(sent)
    return path, time


def _command() -> str:
    """What is typed here: ``bin/lab submit`` on the machine, ``lab submit`` in the lab."""
    context = click.get_current_context(silent=True)
    return context.command_path if context else "lab submit"


def _student(workspace: Path, given: str | None) -> str:
    remembered = workspace / REMEMBERED
    try:
        if given is None and remembered.is_file():
            given = read_file(remembered, 1024, beneath=workspace).decode().strip()
        if given is None:
            raise LabError(
                "Whose work is it? No name or student number is known in this workspace yet.",
                f"{_command()} ASSIGNMENT --student NAME (remembered for next time)",
            )
        return student_name(given)
    except (UntrustedError, UnicodeDecodeError) as error:
        raise LabError(
            f"The student's name cannot be used: {error}.",
            "--student NAME, with your name or number",
        ) from error


def files_of(
    folder: Path, assignment: str, course: Path = ROOT
) -> tuple[dict[str, bytes], list[str]]:
    """What is handed in from a folder, and warnings about it. LabError: it cannot be graded."""
    exercise = released(course).get(assignment)
    try:
        contents = take(folder_members(folder))
    except UntrustedError as error:
        raise LabError(
            f"{folder} {error}.", "move what is not part of your answer out of this folder."
        ) from error
    foreign = {path for path in contents.files if is_foreign(path, exercise)}
    files = {path: content for path, content in contents.files.items() if path not in foreign}
    _require_notebooks(folder, files, contents.refused, exercise)
    left_out = contents.refused + [
        Refusal(path, "not a file of this assignment") for path in sorted(foreign - RESERVED)
    ]
    warnings = [
        f"{printable(refusal.path)} is not handed in: {refusal.reason}." for refusal in left_out
    ]
    return files, warnings + list(_notebook_warnings(files, exercise))


def _require_notebooks(
    folder: Path, files: Mapping[str, bytes], refused: list[Refusal], exercise: Exercise | None
) -> None:
    wanted = (
        list(exercise.notebooks)
        if exercise
        else [path for path in files if path.endswith(".ipynb")] or [f"{folder.name}.ipynb"]
    )
    reasons = {refusal.path: refusal.reason for refusal in refused}
    for name in wanted:
        if name not in files:
            raise LabError(
                f"The notebook {name} cannot be handed in: it is"
                f" {reasons.get(name, f'not in {folder}')}.",
                "run bin/lab up, which puts a missing notebook back; your own files stay as they"
                " are.",
            )
        try:
            notebook_cells(files[name])
        except UntrustedError as error:
            raise LabError(
                f"{folder / name} is {error}.",
                "open it in JupyterLab, save it there, and run this command again.",
            ) from error


def _notebook_warnings(files: Mapping[str, bytes], exercise: Exercise | None) -> Iterator[str]:
    for name, content in files.items():
        if name.endswith(".ipynb"):
            if is_unanswered(content):
                yield (
                    f"{name} has no answers yet: its cells are as they were released. Did you"
                    " save it?"
                )
            missing = sorted(
                (exercise.notebooks[name] if exercise else frozenset()) - grade_ids(content)
            )
            if missing:
                yield (
                    f"{name} lacks cells of the assignment, which then earn nothing:"
                    f" {', '.join(missing)}."
                )


def is_unanswered(notebook: bytes) -> bool:
    """Whether every answer cell still has the checksum of its release. UntrustedError: it is no
    notebook.
    """
    import nbformat

    # two seconds to load: only where needed
    from nbgrader.utils import compute_checksum  # type: ignore[import-untyped]

    answers = [
        cell
        for cell in notebook_cells(notebook)
        if nbgrader_metadata(cell).get("solution") and "checksum" in nbgrader_metadata(cell)
    ]
    try:
        return bool(answers) and all(
            nbgrader_metadata(cell)["checksum"]
            == compute_checksum(_joined(nbformat.from_dict(cell)))  # type: ignore[no-untyped-call]
            for cell in answers
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False  # metadata that someone edited: grading will show


def _joined(cell: Any) -> Any:
    if isinstance(cell.source, list):
        cell.source = "".join(cell.source)
    return cell


def _write(path: Path, content: bytes, workspace: Path) -> None:
    """Write a file whole, for the owner of the workspace (root may be packing for a student)."""
    owner = workspace.stat()
    if path.parent.is_symlink() and path.parent != workspace:
        raise LabError(
            f"{path.parent} is a link; the file to hand in would end up elsewhere.",
            f"remove the link {path.parent}.",
        )
    if not path.parent.is_dir():
        path.parent.mkdir()
        os.chown(path.parent, owner.st_uid, owner.st_gid)
    write_whole(path, content, (owner.st_uid, owner.st_gid))
