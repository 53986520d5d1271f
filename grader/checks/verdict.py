"""What a check says when it does not pass: the student's three lines, or a problem that is ours."""

from __future__ import annotations

MAX_LINE_CHARS = 600


class Verdict(Exception):  # noqa: N818  (a failed check is no error of the program)
    """A check's last word, shown as its three lines and nothing else."""

    def _render_traceback_(self) -> list[str]:
        """What IPython displays in place of a traceback."""
        return str(self).splitlines()


class CheckFailed(Verdict):
    """What was found, what was expected and what to try: something the student can change.

    `str()` is exactly three lines, whatever the parts hold: line breaks and control characters in
    them are made visible.

    >>> print(CheckFailed("`web` is exited.", "`web` running.", "docker start web"))
    `web` is exited.
    Expected: `web` running.
    Try: docker start web
    """

    def __init__(self, found: str, expected: str, hint: str) -> None:
        super().__init__(found, expected, hint)
        self.found = one_line(found)
        self.expected = one_line(expected)
        self.hint = one_line(hint)

    def __str__(self) -> str:
        return f"{self.found}\nExpected: {self.expected}\nTry: {self.hint}"


class EnvironmentProblem(Verdict):
    """Something of ours is missing or broken: the work is not graded, and no mark is lost.

    >>> print(EnvironmentProblem("The Docker engine does not answer.", "run bin/lab status."))
    The Docker engine does not answer.
    Expected: a working lab. This is not your mistake and costs no points.
    Try: run bin/lab status.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = one_line(what)
        self.hint = one_line(hint)

    def __str__(self) -> str:
        return (
            f"{self.what}\nExpected: a working lab. This is not your mistake and costs no"
            f" points.\nTry: {self.hint}"
        )


def one_line(text: str) -> str:
    r"""The text as one line of bounded length that prints as it reads.

    >>> print(one_line("two\nlines\x1b[31m"))
    two\nlines\x1b[31m
    """
    head = text[: MAX_LINE_CHARS + 1]
    shown = "".join(char if char.isprintable() else _visible(char) for char in head.strip())
    return shown if len(shown) <= MAX_LINE_CHARS else shown[: MAX_LINE_CHARS - 1] + "…"


def quoted(text: str, max_chars: int = 160) -> str:
    """The text between backquotes, shortened in the middle where it is long."""
    if len(text) > max_chars:
        half = max_chars // 2
        text = f"{text[:half]} … {text[-half:]}"
    return f"`{one_line(text)}`"


def listed(texts: list[str], most: int = 6) -> str:
    """Backquoted names, as a sentence lists them; at most `most` of them.

    >>> listed(["web", "db"])
    '`web`, `db`'
    """
    shown = ", ".join(quoted(text) for text in texts[:most])
    return shown if len(texts) <= most else f"{shown} and {len(texts) - most} more"


def said(text: str, verb: str = "and said") -> str:
    """The end of a sentence that quotes what was said; empty if nothing was."""
    return f", {verb} {quoted(text.strip())}" if text.strip() else ""


def _visible(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
