"""Say what failed in a shell cell, and what to do about it."""

from lab.notebook.command import GRACE_SECONDS, ScriptOutcome, TimeLimits
from lab.notebook.errors import LessonError

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


def judge(outcome: ScriptOutcome, limits: TimeLimits, expected: int | None) -> str | None:
    """Return a line to print below the output, if there is something to say.

    Raises CommandError if the script was stopped, or its exit status is neither 0 nor the
    `expected` one.
    """
    if outcome.stopped:
        raise CommandError(_stopped(outcome.stopped, limits), outcome.status)
    if expected is not None:
        if outcome.status == expected:
            return f"exit status {expected} (expected)"
        raise CommandError(
            f"{_found(outcome)}\nExpected: exit status {expected}.\n{_try(outcome)}", outcome.status
        )
    if outcome.status and not outcome.interrupted:
        raise CommandError(f"{_found(outcome)}\n{_try(outcome)}", outcome.status)
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


def _try(outcome: ScriptOutcome) -> str:
    if outcome.status == 0:
        return "Try: run the commands one by one; the failure that this cell is about did not come."
    advice = _TRY.get(outcome.status, "read the message above, change the cell, run it again.")
    return (
        f"Try: {advice}\n     If this failure is the point: --expect-exit {outcome.status} after"
        " %%shell."
    )
