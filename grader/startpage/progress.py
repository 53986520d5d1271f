"""What a reader has done, kept in a file of the workspace.

A notebook shows what was run since its outputs were last cleared; the file remembers the rest. It
outlives the lab, ``bin/lab reset`` and an update of the lessons.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from grader.startpage.notebooks import Notebook
from lab.files import write_whole
from lab.lock import alone

PROGRESS = ".progress.json"


@dataclass(frozen=True)
class Progress:
    """Of one notebook: titles of the sections that were run; ``done`` once all of them were;
    an exercise's checks as the last Validate found them; whether it was ever submitted.
    """

    sections: tuple[str, ...] = ()
    done: bool = False
    passed: int = 0
    checks: int = 0
    submitted: bool = False


Kept = dict[str, Progress]
"""By the notebook's path in the workspace."""


def load(workspace: Path) -> Kept:
    """What the file says; what it says nonsense about counts as not begun."""
    try:
        entries = json.loads((workspace / PROGRESS).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    known = entries.items() if isinstance(entries, dict) else ()
    return {path: entry for path, fields in known if (entry := _entry(fields))}


def keep(workspace: Path, notebooks: Iterable[Notebook], submitted: Iterable[str] = ()) -> Kept:
    """``merge`` what there is into the file; returns all that it then says.

    Raises OSError if the file cannot be written.
    """
    with alone("progress"):
        before = load(workspace)
        after = merge(before, notebooks, submitted)
        if after != before:
            _write(workspace, after)
    return after


def merge(before: Kept, notebooks: Iterable[Notebook], submitted: Iterable[str] = ()) -> Kept:
    """Add what these notebooks show, and which of their paths were submitted."""
    handed_in = frozenset(submitted)
    after = before | {
        one.path: _add(before.get(one.path, Progress()), one, one.path in handed_in)
        for one in notebooks
    }
    return {path: entry for path, entry in after.items() if entry != Progress()}


def keep_checks(workspace: Path, path: str, *, passed: int, checks: int) -> None:
    """Keep what Validate found in a notebook. Raises OSError if the file cannot be written."""
    with alone("progress"):
        before = load(workspace)
        entry = replace(before.get(path, Progress()), passed=passed, checks=checks)
        _write(workspace, before | {path: entry})


def state(notebook: Notebook, progress: Progress) -> str:
    """In words: not begun, begun, done; of an exercise also checks and submission."""
    words = []
    if progress.submitted:
        words.append("submitted")
    if progress.checks:
        words.append(f"validated: {progress.passed} of {progress.checks} checks passed")
    if words:
        return ", ".join(words)
    if notebook.kind == "lesson" and progress.done:
        return "done"
    ran = [title for title in notebook.sections if title in progress.sections]
    if not (ran or notebook.begun):
        return "not begun"
    return f"begun: {len(ran)} of {len(notebook.sections)} sections run"


def is_done(notebook: Notebook, progress: Progress) -> bool:
    """Whether what comes next is something else."""
    return progress.done if notebook.kind == "lesson" else progress.submitted


def _add(before: Progress, notebook: Notebook, submitted: bool) -> Progress:
    ran = {title for title, all_ran in notebook.sections.items() if all_ran}
    sections = ran.union(before.sections)
    every = bool(notebook.sections) and sections.issuperset(notebook.sections)
    return replace(
        before,
        sections=tuple(sorted(sections)),
        done=before.done or every,
        submitted=before.submitted or submitted,
    )


def _entry(fields: Any) -> Progress | None:
    """An entry of the file, or None if it is none."""
    try:
        entry = Progress(**{**fields, "sections": tuple(fields.get("sections", ()))})
        numbers = (entry.passed, entry.checks)
        sound = all(isinstance(one, int) for one in numbers)
        return entry if sound and all(isinstance(one, str) for one in entry.sections) else None
    except (TypeError, AttributeError):
        return None


def _write(workspace: Path, kept: Kept) -> None:
    entries = {path: asdict(entry) for path, entry in kept.items()}
    content = json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    owner = workspace.stat()
    write_whole(workspace / PROGRESS, content.encode(), (owner.st_uid, owner.st_gid))
