"""Which assignment a hand-in belongs to, and whose it claims to be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import PurePosixPath

from grader.archive import Contents, Member, Refusal, UntrustedError
from grader.handin import lms
from grader.handin.manifest import MANIFEST, MANIFEST_BYTES, Exercise, Manifest, grade_ids


@dataclass(frozen=True)
class HandIn:
    """The files of one hand-in, and what its manifest and its own name claim."""

    source: str
    name: str  # its path in the course site's download or in a folder
    contents: Contents
    changed: datetime | None = None
    student: str | None = None
    assignment: str | None = None
    time: datetime | None = None


def with_manifest(name: str, contents: Contents) -> HandIn:
    """A hand-in that `lab submit` packed; UntrustedError if it is not as its manifest says."""
    packed = dict(contents.files)
    manifest_text = packed.pop(MANIFEST, b"")
    if not manifest_text or len(manifest_text) > MANIFEST_BYTES:
        raise UntrustedError("its manifest.json is empty or too large")
    manifest = Manifest.from_json(manifest_text)
    refused = {refusal.path for refusal in contents.refused}
    files: dict[str, bytes] = {}
    for path, digest in manifest.files.items():
        inside = f"{manifest.assignment}/{path}"
        if inside in packed:
            files[path] = packed.pop(inside)
            if sha256(files[path]).hexdigest() != digest:
                raise UntrustedError(
                    "its files are not those that were packed: damaged in transit, or changed"
                    " afterwards"
                )
        elif inside not in refused:
            raise UntrustedError("a file that its manifest lists is missing")
    extra = [Refusal(path, "not in its manifest") for path in sorted(packed)]
    return HandIn(
        name,
        name,
        Contents(files, contents.refused + extra),
        None,
        manifest.student,
        manifest.assignment,
        manifest.time,
    )


def without_top_folder(contents: Contents) -> Contents:
    """The files of a zipped folder without the name of that folder, which is above them all."""
    tops = {path.split("/")[0] for path in contents.files}
    if len(tops) != 1 or not all("/" in path for path in contents.files):
        return contents
    return Contents(
        {path.split("/", 1)[1]: content for path, content in contents.files.items()},
        contents.refused,
    )


def is_bulk(members: Sequence[Member], exercises: Mapping[str, Exercise]) -> bool:
    """Whether a zip without a manifest holds the files of many students."""
    if any(member.path.lower().endswith(".zip") or lms.upload(member.path) for member in members):
        return True
    notebooks = [
        PurePosixPath(member.path).name
        for member in members
        if member.path.lower().endswith(".ipynb")
    ]
    of_one = any(set(notebooks) <= set(exercise.notebooks) for exercise in exercises.values())
    return len(notebooks) > 1 and not (of_one and len(set(notebooks)) == len(notebooks))


def recognise(hand_in: HandIn, exercises: Mapping[str, Exercise]) -> Exercise:
    """The assignment of a hand-in without a manifest, by its names and its cells."""
    notebooks = {
        PurePosixPath(path).name: content
        for path, content in hand_in.contents.files.items()
        if path.lower().endswith(".ipynb")
    }
    exact = [
        exercise for exercise in exercises.values() if set(exercise.notebooks) & set(notebooks)
    ]
    names = " ".join([hand_in.name, *notebooks])
    named = [
        exercise for exercise in exercises.values() if exercise.name.casefold() in names.casefold()
    ]
    if len(exact) == 1:
        return exact[0]
    if named:
        return max(named, key=lambda exercise: len(exercise.name))
    cells = frozenset[str]().union(*map(grade_ids, notebooks.values()))
    shared = {
        exercise.name: len(cells & frozenset[str]().union(*exercise.notebooks.values()))
        for exercise in exercises.values()
    }
    best = [name for name, number in shared.items() if number == max(shared.values()) > 0]
    if len(best) != 1:
        raise UntrustedError("nothing in it says which assignment it is: use --assignment")
    return exercises[best[0]]


def restore_names(files: Mapping[str, bytes], exercise: Exercise) -> dict[str, bytes]:
    """Give notebooks their released names, which course sites and browsers change."""
    result = dict(files)
    for path, content in files.items():
        if path.lower().endswith(".ipynb") and path not in exercise.notebooks:
            free = [name for name in exercise.notebooks if name not in result]
            meant = _meant(path, content, exercise, free)
            if meant:
                result[meant] = result.pop(path)
    return result


def claimed_student(name: str, assignment: str) -> str | None:
    """What comes before the assignment in a file's name.

    >>> claimed_student("inbox/ada_01-containers (2).ipynb", "01-containers")
    'ada'
    """
    match = re.match(
        rf"(\S+?)[-_]+{re.escape(assignment)}", PurePosixPath(name).name, re.IGNORECASE
    )
    return match[1] if match else None


def _meant(path: str, content: bytes, exercise: Exercise, free: list[str]) -> str | None:
    in_name = [name for name in free if PurePosixPath(name).stem.casefold() in path.casefold()]
    if in_name:
        return max(in_name, key=len)
    cells = grade_ids(content)
    shared = sorted((len(cells & exercise.notebooks[name]), name) for name in free)
    if shared and shared[-1][0]:
        return shared[-1][1]
    return free[0] if len(exercise.notebooks) == len(free) == 1 else None
