"""Who uploaded a file, from the names in a course site's bulk download."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lab.errors import LabError

PATTERNS = (
    # Moodle, a file or a folder for each student:
    # Ada Lovelace_1234567_assignsubmission_file_answer.ipynb
    re.compile(r"(?P<student>[^/]+)_(?P<person>\d+)_assignsubmission_file_?(?:/|$)?(?P<file>.*)"),
    # Blackboard: Assignment 1_ada_attempt_2025-11-24-10-30-00_answer.ipynb
    re.compile(
        r"(?P<title>[^/]+)_(?P<student>[^/_]+)_attempt_(?P<time>\d{4}(?:-\d\d){5})_?(?P<file>.*)"
    ),
    # Brightspace, a folder for each student:
    # 12345-67890 - Ada Lovelace - Nov 24, 2025 1030 AM/answer.ipynb
    re.compile(
        r"(?P<person>\d+)-\d+ - (?P<student>[^/]+?) - (?P<time>\w{3} \d{1,2}, \d{4} \d{3,4}"
        r" [AP]M)/(?P<file>.*)"
    ),
    # Canvas: lovelaceada_LATE_12345_678901_answer.ipynb
    re.compile(r"(?P<student>[^/_]+)_(?:LATE_)?(?P<person>\d{2,})_\d{2,}_(?P<file>[^/]+)"),
)
TIMES = ("%Y-%m-%d-%H-%M-%S", "%b %d, %Y %I%M %p")


@dataclass(frozen=True)
class Upload:
    """One upload: ``student`` as the site writes the name, ``person`` its number ("" if none)."""

    student: str
    person: str
    time: datetime | None
    file: str


def upload(path: str) -> Upload | None:
    """What the last two parts of a path say; None if no course site writes them like that.

    >>> upload("ada_12345_678901_01-containers.ipynb").student
    'ada'
    """
    parts = path.split("/")
    for tail in ("/".join(parts[-2:]), parts[-1]):
        for pattern in PATTERNS:
            match = pattern.fullmatch(tail)
            if match:
                group = match.groupdict()
                return Upload(
                    group["student"],
                    group.get("person") or "",
                    _time(group.get("time")),
                    group["file"],
                )
    return None


def read_roster(path: Path) -> dict[str, str]:
    """The instructor's CSV file with the columns ``name`` and ``student``."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if not {"name", "student"} <= set(rows.fieldnames or ()):
                raise KeyError
            return {key(row["name"]): row["student"].strip() for row in rows}
    except (KeyError, AttributeError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise LabError(
            f"{path} is not a roster: it needs a first line `name,student` and one line for each"
            " student.",
            "save it as CSV in UTF-8 with these two columns.",
        ) from error


def look_up(roster: Mapping[str, str], name: str) -> str | None:
    """The student that the roster gives for a name, however it is capitalised or spaced."""
    return roster.get(key(name))


def key(name: str) -> str:
    """Equal for spellings of one name: case, spaces and dashes do not count."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def _time(text: str | None) -> datetime | None:
    """Local time, as the site wrote it."""
    for form in TIMES if text else ():
        try:
            return datetime.strptime(text or "", form).astimezone()
        except (ValueError, OverflowError):
            continue
    return None
