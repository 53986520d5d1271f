"""What explains a lost point, told with the check that lost it: a cell that ended with an error,
and one that changed what later cells need.
"""

import json

from grader.checks.verdict import quoted
from grader.exercise.cells import ReleasedCell
from grader.judging.inputs import json_expression, value_of
from grader.sandbox.interface import Reply

KEY = "surroundings"
# asked together with a cell, so that it costs nothing
ASKED = {
    KEY: json_expression("__import__('grader.sandbox.inside.surroundings', fromlist=['now']).now()")
}
BROKEN = "what Python itself needs"
MOST_NAMED = 3
MAX_CHARS = 80
MAX_ERROR_CHARS = 200


class Explanations:
    """What the student's cells have done so far that a check cannot see."""

    def __init__(self) -> None:
        self._last: dict[str, str] | None = None
        self._changed: list[str] = []
        self._failed_later = False
        self._ended_early: str | None = None  # the first one since the last check

    def after(self, source: str, released: ReleasedCell | None, reply: Reply) -> None:
        """Note what a cell has done; one that is ours may do what it likes."""
        found = self._read(reply)
        if not (released is not None and released.locked):
            if reply.status != "ok":
                self._failed_later |= bool(self._changed)
                self._ended_early = self._ended_early or _how_it_ended(source, reply)
            if self._last is not None and found:
                self._name(source, _differences(self._last, found))
            elif self._last is not None and KEY in reply.expressions:
                self._name(source, [BROKEN])
                self._failed_later = True  # nothing can be read any more, and so no answer
        self._last = found or self._last

    def taken(self) -> str:
        """For a check that failed, behind its message: what may be the reason, if anything. The
        cells above it do not explain the next check.
        """
        early, self._ended_early = self._ended_early, None
        said = [early] if early else []
        if self._failed_later:
            said += [*self._changed, "What ran later may have failed because of that."]
        return f"\nNote: {' '.join(said)}" if said else ""

    def _name(self, source: str, what: list[str]) -> None:
        if what and len(self._changed) < MOST_NAMED:
            self._changed.append(f"{_cell(source)} changed {' and '.join(what[:MOST_NAMED])}.")

    def _read(self, reply: Reply) -> dict[str, str] | None:
        try:
            found = json.loads(value_of(reply.expressions.get(KEY)))
            return {str(what): str(how) for what, how in found.items()}
        except (ValueError, AttributeError):
            return None


def _cell(source: str) -> str:
    lines = [line for line in source.splitlines() if line.strip()]
    beginning = lines[1:2] if lines and lines[0].startswith("%%") else []
    return f"Your cell {quoted((beginning or lines or [''])[0], MAX_CHARS)}"


def _how_it_ended(source: str, reply: Reply) -> str:
    if reply.status == "timeout":
        return f"{_cell(source)} was stopped at its time limit."
    name, value = (str(part) for part in reply.error)
    words = value.partition("\nTry:")[0].partition("\nExpected:")[0]
    said = " ".join(words.split()).rstrip(".")
    what = said if name == "CommandError" else f"{name}: {said}"
    return f"{_cell(source)} ended with an error: {quoted(what, MAX_ERROR_CHARS)}."


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is another, the folder with its name. A new variable of the environment harms nobody."""
    found = []
    for what in before | after:
        if before.get(what) == after.get(what):
            continue
        if what.startswith("the environment") and what not in before:
            continue
        folder = what == "the working directory"
        now = f", now {quoted(after.get(what, ''), MAX_CHARS)}" if folder else ""
        found.append(what[:MAX_CHARS] + now)  # a claim of the student's kernel
    return found
