"""Problems of a setup cell that works with a cluster: what it reads back there can be a student's
by then, and what it waits for may never come.
"""

import re
from collections.abc import Iterator, Sequence

CAPTURE = re.compile(r"^%%?shell\b.*--capture[ =](\w+)(.*)", re.MULTILINE)
SUBSTITUTED = re.compile(r"\$\([^()]*\)")
READS = re.compile(r"\bkubectl\s(?:[^|;&]*\s)?(get|describe|logs|exec)\b")
QUIET = re.compile(r"(?<![2&])>{1,2}\s*\S+")  # its standard output goes elsewhere
ENDLESS = re.compile(r"\bkubectl\s(?:[^|;&]*\s)?(delete|rollout\s+status)\b[^|;&\n]*")


def setup_problems(source: str, tests: Sequence[str]) -> Iterator[str]:
    """Each problem as the end of a sentence that begins with the cell's name; ``tests`` are the
    sources of the exercise's test cells.
    """
    script = source.replace("\\\n", " ")
    for match in CAPTURE.finditer(script):
        name = match[1]
        lines = script.splitlines() if script.startswith("%%") else [match[2]]
        read = next((line for line in lines if _prints_what_it_reads(line)), None)
        if read and any(re.search(rf"\b{name}\b", test) for test in tests):
            yield (
                f"keeps in `{name}`, which a test believes, what it reads from the cluster:"
                f" {read.strip()!r}. By then a student may have changed it. Print what the cell has"
                " drawn itself, or what the cluster answers to the command that makes the object:"
                " kubectl run … -o jsonpath='{.metadata.uid}'."
            )
    for line in script.splitlines():
        found = ENDLESS.search(line)
        if found and not re.search(r"--timeout|--wait=false", found[0]):
            yield (
                f"may wait for ever: {found[0].strip()!r}. Add --timeout=30s, so that what a"
                " student did cannot hold it."
            )


def _prints_what_it_reads(line: str) -> bool:
    """Whether the last thing of a pipe's output is what the cluster said, and nobody keeps it."""
    plain = SUBSTITUTED.sub("", line).split(" #")[0]
    return bool(READS.search(plain)) and not QUIET.search(plain)
