"""Which notebooks of a class have unusually much in common: winnowing (Schleimer, Wilkerson, Aiken
2003, as in MOSS), by the library copydetect.

A hint for a person to look, never a verdict: what counts is not how much two notebooks share but
how much more than others of this class do.
"""

import io
import re
import statistics
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import nbformat

from grader.course import Course
from grader.gradebook.record import released_cells

NOISE = 20  # characters: shorter matches are chance (the k of winnowing)
GUARANTEED = 35  # characters: any match this long is found
SHORTEST = 200  # characters of one's own: less says nothing
LONGEST = 100_000  # what comes after that is not compared
LEAST = 0.5  # of one's own text
MOST_PAIRS = 20


@dataclass(frozen=True)
class Pair:
    """Two students; the share (0 to 1) of each one's own text that is also in the other's."""

    first: str
    second: str
    of_first: float
    of_second: float

    @property
    def share(self) -> float:
        return max(self.of_first, self.of_second)


def similar_pairs(root: Path, assignment: str) -> list[Pair]:
    """The pairs that stand out in this class, the most alike first."""
    course = Course(root)
    released = "\n".join(
        cell.source for cells in released_cells(course, assignment).values() for cell in cells
    )
    own = {}
    for folder in sorted((root / "autograded").glob(f"*/{assignment}")):
        text = "\n".join(map(_own_text, sorted(folder.glob("*.ipynb"))))
        if len(_normal(text)) >= SHORTEST:
            own[folder.parent.name] = text[:LONGEST]
    return standing_out(compare(own, released))


def compare(texts: dict[str, str], released: str) -> list[Pair]:
    """All pairs; what is in ``released`` counts for neither."""
    from copydetect import CodeFingerprint, compare_files  # type: ignore[import-untyped]

    def fingerprint(text: str, boilerplate: Any = None) -> Any:
        window = GUARANTEED - NOISE + 1
        return CodeFingerprint(
            "notebook", NOISE, window, boilerplate, filter=False, fp=io.StringIO(_normal(text))
        )

    boilerplate_hashes = list(fingerprint(released).hashes)
    fingerprints = {
        student: fingerprint(text, boilerplate_hashes) for student, text in texts.items()
    }
    return [
        Pair(
            first, second, *map(float, compare_files(fingerprints[first], fingerprints[second])[1])
        )
        for first, second in combinations(sorted(fingerprints), 2)
    ]


def standing_out(pairs: list[Pair]) -> list[Pair]:
    """Those three deviations (of the median) over the median of the class."""
    if not pairs:
        return []
    usual = statistics.median(pair.share for pair in pairs)
    deviation = 1.4826 * statistics.median(abs(pair.share - usual) for pair in pairs)
    limit = max(LEAST, usual + max(3 * deviation, 0.1))
    return sorted((pair for pair in pairs if pair.share >= limit), key=lambda pair: -pair.share)[
        :MOST_PAIRS
    ]


def _own_text(notebook: Path) -> str:
    """The sources of the cells that a student could write in."""
    cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    return "\n".join(
        cell.source for cell in cells if not cell.metadata.get("nbgrader", {}).get("locked")
    )


def _normal(text: str) -> str:
    return re.sub(r"\s+", "", text).casefold()
