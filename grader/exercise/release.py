"""Exercises as instructors write them, turned into exercises as students get them.

nbgrader's own converter does the work; this module makes it safe to run: the source is checked
first, the release is built in a separate folder and swapped in whole, and the same source always
gives the same bytes.
"""

import difflib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.course import RELEASE, SOURCE, sources, swap
from grader.exercise.lint import hidden_regions, problems, visible_lines
from grader.exercise.nbgrader import converter_config, literal, quiet_log, what_nbgrader_said
from lab.errors import LabError

NOT_RELEASED = {".ipynb_checkpoints", "__pycache__", ".DS_Store"}
TELLING = 8  # shorter lines of a hidden test (`else:`, `)`) give nothing away


@dataclass(frozen=True)
class Difference:
    """One file of ``assignments/`` that is not what ``solutions/`` would give."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def generate(course: Path, assignment: str, into: Path, db_url: str | None = None) -> None:
    """Convert ``solutions/<assignment>`` to ``into/<assignment>``.

    With ``db_url`` the cells and their points are also recorded in that gradebook, as nbgrader
    does. Raises LabError.
    """
    from nbgrader.converters import GenerateAssignment  # type: ignore[import-untyped]
    from nbgrader.coursedir import CourseDirectory  # type: ignore[import-untyped]
    from nbgrader.preprocessors import SaveCells  # type: ignore[import-untyped]

    config = converter_config()
    config.CourseDirectory.update(
        root=str(course), release_directory=str(into), assignment_id=assignment
    )
    if db_url:
        config.CourseDirectory.db_url = db_url
    else:
        stock = GenerateAssignment.preprocessors.default()
        config.GenerateAssignment.update(
            no_database=True, preprocessors=[one for one in stock if one is not SaveCells]
        )
    log, _ = quiet_log()
    with what_nbgrader_said(
        f"convert {assignment}", f"correct {SOURCE}/{assignment}, then release again."
    ):
        literal(GenerateAssignment)(
            coursedir=CourseDirectory(config=config, log=log), config=config, log=log, force=True
        ).start()
    _keep_executable(course / SOURCE / assignment, into / assignment)


def release(course: Path, assignments: Sequence[str] = ()) -> list[Difference]:
    """Bring ``assignments/`` up to date (all of it, or the named ones); returns what changed.

    All or nothing: with a problem anywhere, LabError is raised and no file has changed.
    """
    with _built(course, assignments) as fresh:
        changed = _differences(course, fresh, assignments)
        for name in _touched(changed):
            swap(fresh / name, course / RELEASE / name)
    return changed


def differences(course: Path, assignments: Sequence[str] = ()) -> list[Difference]:
    """How ``assignments/`` differs from what ``solutions/`` would give; changes nothing."""
    with _built(course, assignments) as fresh:
        return _differences(course, fresh, assignments)


@contextmanager
def _built(course: Path, assignments: Sequence[str]) -> Iterator[Path]:
    """The release of the named assignments, in a folder that is removed after the block."""
    existing = sources(course)
    unknown = sorted(set(assignments) - set(existing))
    if unknown or not existing:
        raise LabError(
            (
                f"{SOURCE}/ holds no assignment {', '.join(map(repr, unknown))}."
                if unknown
                else f"{course / SOURCE} holds no assignments."
            ),
            f"one of: {', '.join(existing)}."
            if existing
            else "run this in a checkout of the course.",
        )
    names = sorted(set(assignments)) or existing
    _check_sources(course, names)
    with tempfile.TemporaryDirectory(prefix=".release-", dir=course) as temporary:
        fresh = Path(temporary)
        for name in names:
            generate(course, name, fresh)
            _check_leaks(course / SOURCE / name, fresh / name)
        yield fresh


def _check_sources(course: Path, names: Sequence[str]) -> None:
    faults = [
        f"{name}/{problem}"
        for name in names
        for problem in _folder_problems(course / SOURCE / name)
    ]
    if faults:
        raise LabError(
            "Nothing was released:\n" + "\n".join(f"  {SOURCE}/{problem}" for problem in faults),
            "correct the sources above, then release again.",
        )


def _folder_problems(folder: Path) -> Iterator[str]:
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        yield " holds no notebook."
    for notebook in notebooks:
        yield from problems(notebook)
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            yield f"{path.relative_to(folder)} is a link: put the file itself there."
        elif (
            path.suffix == ".ipynb"
            and path.parent != folder
            and not _ignored(path.relative_to(folder))
        ):
            yield (
                f"{path.relative_to(folder)} would be lost: nbgrader takes notebooks from the top"
                " folder only."
            )


def _check_leaks(source: Path, released: Path) -> None:
    """No hidden test may reach a student: in a cell, in metadata or in a file next to it."""
    cells = [
        cell
        for notebook in sorted(source.glob("*.ipynb"))
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    ]
    visible = visible_lines(cells)
    given = {path: set(lines_of(path)) for path in _files(released)}
    for region in hidden_regions(cells):
        telling = {
            text
            for text in map(str.strip, region)
            if len(text) >= TELLING and not text.startswith("#")
        }
        for path, lines in given.items():
            leaked = telling & lines
            if leaked and (leaked == telling or leaked - visible):
                line = min(leaked - visible or leaked)
                raise LabError(
                    f"Nothing was released: a hidden test of {source.name} can be read in the"
                    f" release, in {path.relative_to(released)}: {line!r}.",
                    "remove it from what students get, or show it on purpose by taking it out of"
                    " the hidden region.",
                )


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file, stripped; of a notebook the lines of all its texts."""
    text = path.read_text(encoding="utf-8", errors="replace")
    blocks = _strings(json.loads(text)) if path.suffix == ".ipynb" else iter([text])
    for block in blocks:
        yield from (line.strip() for line in block.split("\n"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _differences(course: Path, fresh: Path, assignments: Sequence[str]) -> list[Difference]:
    present = course / RELEASE
    names = {entry.name for entry in fresh.iterdir()}
    # all were built, so what is not among them has lost its source
    if not assignments and present.is_dir():
        names |= {
            entry.name
            for entry in present.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        }
    return [
        difference
        for name in sorted(names)
        for difference in _compare(fresh / name, present / name)
    ]


def _compare(fresh: Path, present: Path) -> Iterator[Difference]:
    wanted = {path.relative_to(fresh) for path in _files(fresh)}
    present_paths = {path.relative_to(present) for path in _files(present)}
    for path in sorted(wanted | present_paths):
        where = f"{RELEASE}/{present.name}/{path}"
        if path not in present_paths:
            yield Difference(where, "is missing")
        elif path not in wanted:
            yield Difference(where, f"has no source in {SOURCE}/{present.name}")
        elif (fresh / path).read_bytes() != (present / path).read_bytes():
            yield Difference(where, f"differs ({_line_counts(present / path, fresh / path)})")
        elif os.access(fresh / path, os.X_OK) != os.access(present / path, os.X_OK):
            yield Difference(where, "differs (permission to execute)")


def _line_counts(old: Path, new: Path) -> str:
    """``+3 -1 lines``: how many the new release adds to the present one, and removes."""
    before, after = (
        path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (old, new)
    )
    changes = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    added, removed = (sum(line.startswith(sign) for line in changes) for sign in "+-")
    return f"+{added} -{removed} lines" if added or removed else "line endings or encoding"


def _files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not _ignored(path.relative_to(folder)))


def _ignored(path: Path) -> bool:
    return not NOT_RELEASED.isdisjoint(path.parts)


def _touched(changed: list[Difference]) -> list[str]:
    return sorted({difference.path.split("/")[1] for difference in changed})


def _keep_executable(source: Path, released: Path) -> None:
    """Undo nbgrader's 0644 for files that are executable in the source."""
    for path in _files(released):
        if os.access(source / path.relative_to(released), os.X_OK):
            path.chmod(0o755)
