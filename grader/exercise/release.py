"""Exercises as instructors write them, turned into exercises as students get them.

nbgrader's own converter does the work; this module makes it safe to run: the source is checked
first, the release is built in a folder of its own and swapped in whole, and the same source always
gives the same bytes.
"""

import difflib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.exercise.lint import hidden_regions, problems, visible_lines
from lab.course import ROOT
from lab.errors import LabError

if TYPE_CHECKING:
    from traitlets.config import Config

SOURCE = "solutions"
RELEASE = "assignments"
# nbgrader's own ends in a Python `raise`, which would land in a %%writefile Dockerfile
STUB = "# YOUR CODE HERE"
NOT_RELEASED = {".ipynb_checkpoints", "__pycache__", ".DS_Store"}
TELLING = 8  # shorter lines of a hidden test (`else:`, `)`) give nothing away


@dataclass(frozen=True)
class Difference:
    """One file of ``assignments/`` that is not what ``solutions/`` would give; ``path`` is relative
    to the course.
    """

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def converter_config() -> "Config":
    """The part of nbgrader's configuration that decides what a release holds (nbgrader_config.py
    merges it).
    """
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.source_directory = SOURCE
    config.CourseDirectory.release_directory = RELEASE
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.text_stub = "YOUR ANSWER HERE"
    return config


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
        GenerateAssignment(
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


def sources(course: Path) -> list[str]:
    """The names of all assignments in ``solutions/``, sorted."""
    folder = course / SOURCE
    found = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return sorted(name for name in found if not name.startswith((".", "_")))


@contextmanager
def _built(course: Path, assignments: Sequence[str]) -> Iterator[Path]:
    """The release of the named assignments in a folder beside ``assignments/``, which goes when the
    block ends.
    """
    known = sources(course)
    unknown = sorted(set(assignments) - set(known))
    if unknown or not known:
        raise LabError(
            (
                f"{SOURCE}/ holds no assignment {', '.join(map(repr, unknown))}."
                if unknown
                else f"{course / SOURCE} holds no assignments."
            ),
            f"one of: {', '.join(known)}." if known else "run this in a checkout of the course.",
        )
    names = sorted(set(assignments)) or known
    _check_sources(course, names)
    with tempfile.TemporaryDirectory(prefix=".release-", dir=course) as temporary:
        fresh = Path(temporary)
        for name in names:
            generate(course, name, fresh)
            _check_leaks(course / SOURCE / name, fresh / name)
        yield fresh


def _check_sources(course: Path, names: Sequence[str]) -> None:
    found = [
        f"{name}/{problem}"
        for name in names
        for problem in _folder_problems(course / SOURCE / name)
    ]
    if found:
        raise LabError(
            "Nothing was released:\n" + "\n".join(f"  {SOURCE}/{problem}" for problem in found),
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
    """Hidden tests must reach a student by no way: not in a cell, not in metadata, not in a file
    beside the notebook.
    """
    cells = [
        cell
        for notebook in sorted(source.glob("*.ipynb"))
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    ]
    shown = visible_lines(cells)
    given = {path: set(_lines(path)) for path in _files(released)}
    for region in hidden_regions(cells):
        telling = {
            text
            for text in map(str.strip, region)
            if len(text) >= TELLING and not text.startswith("#")
        }
        for path, lines in given.items():
            leaked = telling & lines
            if leaked and (leaked == telling or leaked - shown):
                line = min(leaked - shown or leaked)
                raise LabError(
                    f"Nothing was released: a hidden test of {source.name} can be read in the"
                    f" release, in {path.relative_to(released)}: {line!r}.",
                    "remove it from what students get, or show it on purpose by taking it out of"
                    " the hidden region.",
                )


def _lines(path: Path) -> Iterator[str]:
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
    if (
        not assignments and present.is_dir()
    ):  # all were built, so what is not among them has lost its source
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
    there = {path.relative_to(present) for path in _files(present)}
    for path in sorted(wanted | there):
        where = f"{RELEASE}/{present.name}/{path}"
        if path not in there:
            yield Difference(where, "is missing")
        elif path not in wanted:
            yield Difference(where, f"comes from nothing in {SOURCE}/{present.name}")
        elif (fresh / path).read_bytes() != (present / path).read_bytes():
            yield Difference(where, f"differs ({_line_counts(present / path, fresh / path)})")
        elif os.access(fresh / path, os.X_OK) != os.access(present / path, os.X_OK):
            yield Difference(where, "differs (permission to execute)")


def _line_counts(old: Path, new: Path) -> str:
    """``+3 -1 lines``: what the new release has that the present one lacks, and the other way
    round.
    """
    before, after = (
        path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (old, new)
    )
    changes = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    added, removed = (sum(line.startswith(sign) for line in changes) for sign in "+-")
    return f"+{added} -{removed} lines" if added or removed else "line ends or encoding"


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not _ignored(path.relative_to(folder)))


def _ignored(path: Path) -> bool:
    return not NOT_RELEASED.isdisjoint(path.parts)


def _touched(changed: list[Difference]) -> list[str]:
    return sorted({difference.path.split("/")[1] for difference in changed})


def swap(fresh: Path, present: Path) -> None:
    """Put ``fresh`` in the place of ``present`` (no ``fresh``: remove it); a failure half-way
    restores ``present``.
    """
    present.parent.mkdir(parents=True, exist_ok=True)
    old = fresh.with_name(fresh.name + ".old")
    if present.exists():
        present.rename(old)
    try:
        if fresh.exists():
            fresh.rename(present)
    except BaseException:
        if old.exists():
            old.rename(present)
        raise


def _keep_executable(source: Path, released: Path) -> None:
    """nbgrader gives every file 0644; a script that the source marks executable stays so."""
    for path in _files(released):
        if os.access(source / path.relative_to(released), os.X_OK):
            path.chmod(0o755)


class _Listener(logging.Handler):
    """Keeps what nbgrader logs as errors: its exceptions only say that there were some."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


_LISTENER = _Listener()


def quiet_log() -> tuple[logging.Logger, list[str]]:
    """A log for nbgrader's objects that prints nothing, and the errors in it (emptied by
    ``what_nbgrader_said``).
    """
    log = logging.getLogger("grader.nbgrader")
    log.handlers, log.propagate = [_LISTENER], False
    return log, _LISTENER.messages


@contextmanager
def what_nbgrader_said(doing: str, hint: str) -> Iterator[None]:
    """Turn nbgrader's failure in the block into LabError: "nbgrader cannot <doing>", with the words
    of the first cause.
    """
    from nbgrader.converters.base import NbGraderException  # type: ignore[import-untyped]

    _LISTENER.messages.clear()
    try:
        yield
    except NbGraderException as error:
        traces = [
            text.strip().split("\n")[-1]
            for text in _LISTENER.messages
            if text.startswith("Traceback")
        ]
        raise LabError(
            f"nbgrader cannot {doing}: {traces[-1] if traces else error}", hint
        ) from error


@click.command("release")
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; exit 1 when assignments/ differs from what solutions/ gives.",
)
@click.option(
    "--course",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ROOT,
    help="The course's folder, which holds solutions/ and assignments/. Default: this checkout.",
)
def release_command(assignments: tuple[str, ...], check: bool, course: Path) -> None:
    """Make the students' version of exercises: solutions/ → assignments/.

    Without ASSIGNMENT all exercises are released, and folders in assignments/ whose source is gone
    are removed. Solutions become "# YOUR CODE HERE" or "YOUR ANSWER HERE", hidden tests and outputs
    are left out. The same source always gives the same bytes. If any source has a problem, it is
    named and nothing at all is changed.

    \b
    Examples:
      lab release                   all exercises
      lab release 01-containers     one
      lab release --check           for CI: are assignments/ up to date?
    """  # noqa: D301 (click reads the \b)
    changed = (differences if check else release)(course.resolve(), assignments)
    for difference in changed:
        done = "released" if (course / difference.path).exists() else "removed"
        click.echo(str(difference) if check else f"{done} {difference.path}")
    if check and changed:
        click.echo(
            f"{RELEASE}/ is not what {SOURCE}/ gives. Try: bin/lab release, then commit"
            f" {RELEASE}/.",
            err=True,
        )
        raise click.exceptions.Exit(1)
    if not changed:
        click.echo(f"{RELEASE}/ is up to date.")


commands = [release_command]

__all__ = [
    "Difference",
    "commands",
    "converter_config",
    "differences",
    "generate",
    "release",
    "sources",
]
