"""Say what failed in a shell cell, and what to do about it."""

import re
import unicodedata
from typing import Literal

from lab.notebook.command import GRACE_SECONDS, ScriptOutcome, TimeLimits
from lab.notebook.errors import LessonError
from lab.notebook.hub import missing_image

_STILL_RUNS = "The container itself may go on: docker ps shows it, docker rm -f NAME ends it."

_TRY = {
    125: (
        "the Docker engine refused; its message above says why (a name or port taken, no such"
        " image, a wrong flag)."
    ),
    126: (
        "this was found but is no program that can run here; look at its path, its permission to"
        " execute, its architecture."
    ),
    127: "no command of this name was found; look at its spelling, and whether the image has it.",
    130: "it was interrupted (Ctrl-C).",
    137: (
        "it was killed (SIGKILL): docker kill, docker rm -f, or out of memory. "
        "docker inspect -f '{{.State.OOMKilled}}' NAME tells which."
    ),
    139: "it crashed (SIGSEGV): often a program built for another kind of image.",
    143: "it was told to end (SIGTERM), as docker stop does.",
}


class CommandError(LessonError):
    """A shell cell did not end as it should. `status` is its exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def judge(
    outcome: ScriptOutcome,
    limits: TimeLimits,
    expected: int | Literal["any"] | None,
    printed: str = "",
) -> str | None:
    """Return a line to print below the output, if there is something to say. ``printed``: the end
    of what it printed, which may say why it failed.

    Raises CommandError if the script was stopped, or its exit status is neither 0 nor the
    `expected` one.
    """
    if outcome.stopped:
        raise CommandError(_stopped(outcome.stopped, limits), outcome.status)
    if expected == "any":
        return None
    if expected is not None:
        if outcome.status == expected:
            return f"exit status {expected} (expected)"
        raise CommandError(
            f"{_found(outcome)}\nExpected: exit status {expected}.\n{_try(outcome, printed)}",
            outcome.status,
        )
    if outcome.status and not outcome.interrupted:
        raise CommandError(f"{_found(outcome)}\n{_try(outcome, printed)}", outcome.status)
    return None


def _stopped(reason: str, limits: TimeLimits) -> str:
    if reason == "timeout":
        return (
            f"This cell was ended after {limits.timeout:g} s.\nTry: a container in the foreground"
            " runs until something ends it: add -d to docker run, or --interrupt-after 5 after"
            f" %%shell.\n     If it only needs longer: --timeout {2 * limits.timeout:g}."
            f" {_STILL_RUNS}"
        )
    if reason == "deaf":
        return (
            f"Ctrl-C was sent after {limits.interrupt_after:g} s, but nothing ended within another"
            f" {GRACE_SECONDS:g} s.\nTry: docker run --init: the first process of a container"
            f" ignores Ctrl-C unless it has a handler for it.\n     {_STILL_RUNS}"
        )
    return f"Stopped.\n{_STILL_RUNS}"


def _found(outcome: ScriptOutcome) -> str:
    status = f"exit status {outcome.status}"
    if outcome.status == 0:
        return "Every command succeeded (exit status 0)."
    if outcome.line is None:
        return f"The cell ended with {status}."
    if len(outcome.pipe) > 1:
        status += f" (the commands of its pipe: {', '.join(map(str, outcome.pipe))})"
    return f"line {outcome.line}: {_one_line(outcome.command)}\nended with {status}."


def _one_line(command: str) -> str:
    text = " ".join(command.split())
    return text if len(text) <= 160 else text[:157] + "..."


_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
# What a web page or a word processor puts into a command, and what a shell wants there.
_COPIED = {
    "\u00a0": "a blank",
    "\u2007": "a blank",
    "\u202f": "a blank",
    "\u200b": "nothing",
    "\ufeff": "nothing",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "- or --",
    "\u2014": "--",
    "\u2212": "-",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2026": "...",
}


def _copied(command: str) -> str | None:
    """What has come into a command with a copy from a page."""
    if command.startswith("$ "):
        return "the `$ ` in front is a shell's prompt, and no part of the command: leave it out."
    bare = _QUOTED.sub("''", command)  # in a text it may be meant
    found = next((char for char in bare if char in _COPIED), None)
    if found is None:
        return None
    before = bare.partition(found)[0].split()[-1:] or ["the beginning"]
    name = unicodedata.name(found).lower()
    return (
        f"after `{before[0]}` stands a character that only looks right, U+{ord(found):04X}"
        f" ({name}). A shell wants {_COPIED[found]} there: type it again."
    )


def _try(outcome: ScriptOutcome, printed: str) -> str:
    if outcome.status == 0:
        return "Try: run the commands one by one; the failure that this cell is about did not come."
    if copied := _copied(outcome.command):
        return f"Try: {copied}"
    if missing := missing_image(printed):
        return f"Try: {missing}"
    advice = _TRY.get(outcome.status, "read the message above, change the cell, run it again.")
    return (
        f"Try: {advice}\n     If this failure is the point: --expect-exit {outcome.status} after"
        " %%shell."
    )
