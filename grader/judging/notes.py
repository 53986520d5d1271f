"""Notes on a submission: as many as somebody reads, as text that can be shown anywhere."""

import re
from collections import Counter
from collections.abc import Iterable

from grader.archive import printable

MAX_OF_A_KIND = 20
MAX_NOTES = 200
MAX_CHARS = 500  # of one note
COUNTED = re.compile(r"And [0-9,]+ more of these: ")


def limited(notes: Iterable[str]) -> list[str]:
    """The notes, of those that end alike only the first; how many there were is said.

    >>> limited([f"{name}.txt was left out: a link." for name in range(9000)])[19:]
    ['19.txt was left out: a link.', 'And 8,980 more of these: a link.']
    """
    kept: list[str] = []
    seen: Counter[str] = Counter()
    for note in notes:
        shown = printable(note, kept="\n")[:MAX_CHARS]
        kind = shown if COUNTED.match(shown) else shown.rpartition(": ")[2]
        seen[kind] += 1
        if seen[kind] <= MAX_OF_A_KIND and len(kept) < MAX_NOTES:
            kept.append(shown)
    more = [
        f"And {number - MAX_OF_A_KIND:,} more of these: {kind}"
        for kind, number in seen.items()
        if number > MAX_OF_A_KIND
    ]
    return [*kept, *more[:MAX_NOTES]]
