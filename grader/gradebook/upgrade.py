"""A course folder that another version of the course has written: copied and brought up to date, or
refused in a sentence.

The format is a number in the journal (SQLite's ``user_version``); version 0.1.0 wrote none. That
version named the journal's rows after all of its own code, so its keys say nothing here. What a row
was made from is still known: the exercise (``gradebook.db.released.json``), the cells that were
judged (``autograded/``) and the submission's files (``Entry.work``). Where these are as they were,
its results stand, for the checks of 0.2.0 judge as those of 0.1.0 did.
"""

import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from grader.exercise.cells import ReleasedCell
from grader.gradebook.journal import FORMAT, Entry, Journal
from lab.errors import LabError
from lab.progress import say
from lab.version import version

FIRST = "0.1.0"
COPY = f".before-{version()}"


def is_old(gradebook: Path, journal: Path) -> bool:
    """Whether an earlier version wrote them. LabError where a newer one did."""
    _ensure_known_to_nbgrader(gradebook)
    found = _format(journal)
    if found > FORMAT:
        raise LabError(
            f"The gradebook in {gradebook.parent} was written by a newer version of the course than"
            f" this one ({version()}).",
            f"update the checkout (git pull); or restore the copies *{COPY}, if there are any",
        )
    return found < FORMAT


def migrate(gradebook: Path, journal: Path, released: Path) -> None:
    """Bring the three files to the present format; copies of them stay beside them."""
    if not is_old(gradebook, journal):
        return  # another process was faster
    for file in (gradebook, journal, released):
        if file.exists():
            _copy(file, file.with_name(file.name + COPY))
    _rename_keys(journal, json.loads(released.read_text()) if released.exists() else {})
    say(
        f"{gradebook.parent} was written by version {FIRST} and is now of version {version()}."
        f" Marks and pages are as they were; copies of the gradebook end in {COPY}."
    )


def adopt(
    journal: Journal,
    row: tuple[str, str],
    source: str,
    work: str,
    released: Mapping[str, Sequence[ReleasedCell]],
    graded: Mapping[str, Mapping[str, str]],
) -> Entry | None:
    """What version 0.1.0 recorded of the ``row`` (assignment, student), if it was made of the same
    exercise and the same work; ``graded`` is the source of each cell that was judged then.
    """
    entry = journal.find(*row, key=_key(source))
    judged = {
        name: {c.grade_id: c.source for c in cells if c.locked} for name, cells in released.items()
    }
    same = all(judged[name].items() <= graded.get(name, {}).items() for name in judged)
    return entry if entry and entry.work == work and same else None


def announce(kept: int, anew: int) -> None:
    """Say, before anything is graded, what this version does with results of unchanged work."""
    if kept:
        say(
            f"{kept} graded by version {FIRST}, and unchanged: their results stay"
            " (--regrade grades them with this version)."
        )
    if anew:
        say(
            f"{anew} unchanged, but what judges them is not (the exercise, its checks, the images"
            " or the limits): they are graded again. Marks given by hand stay. Ctrl-C stops here;"
            " results that are there are kept until then."
        )


def _key(source: str) -> str:
    return f"{FIRST} {source}"


def _format(journal: Path) -> int:
    if not journal.exists():
        return FORMAT
    with closing(sqlite3.connect(journal)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def _rename_keys(journal: Path, released: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(journal)) as database, database:
        for (assignment,) in database.execute("SELECT DISTINCT assignment FROM graded").fetchall():
            row = (_key(released.get(assignment, "")), assignment)
            database.execute("UPDATE graded SET key = ? WHERE assignment = ?", row)
        database.execute(f"PRAGMA user_version = {FORMAT}")


def _copy(file: Path, to: Path) -> None:
    """A copy of the file, of a database whole even while another process writes. The first copy is
    the original: a run that was interrupted does not replace it.
    """
    if to.exists():
        return
    scratch = to.with_name(to.name + ".part")
    scratch.unlink(missing_ok=True)
    if file.suffix == ".json":
        scratch.write_bytes(file.read_bytes())
    else:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(scratch)) as copy:
            source.backup(copy)
    scratch.replace(to)


def _ensure_known_to_nbgrader(gradebook: Path) -> None:
    """LabError where the database is of another version of nbgrader."""
    if not gradebook.exists():
        return
    # not above: few commands open a gradebook, and this takes a while to import
    from alembic.script import ScriptDirectory
    from nbgrader.dbutil import ALEMBIC_DIR  # type: ignore[import-untyped]

    with closing(sqlite3.connect(gradebook)) as database:
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    scripts = ScriptDirectory(ALEMBIC_DIR)
    if row[0] == scripts.get_current_head():
        return
    older = row[0] in {script.revision for script in scripts.walk_revisions()}
    if not older:
        raise LabError(
            f"{gradebook} was made by a newer nbgrader than this one.",
            "update the checkout (git pull), or grade with the version that made it",
        )
    raise LabError(
        f"{gradebook} was made by an older nbgrader than this one.",
        f"{Path(sys.executable).with_name('nbgrader')} db upgrade in {gradebook.parent} (it keeps"
        " a copy), then this again",
    )
