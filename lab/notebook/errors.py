"""Errors for the person at the notebook: a sentence or three, no Python traceback."""

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


class LessonError(Exception):
    r"""Something the reader of a lesson can mend.

    The message's first line says what happened, the others what to do. Jupyter shows it without a
    traceback; for nbconvert and nbval the cell has failed all the same.

    >>> raise LessonError("No container is called `web`.\nTry: docker ps -a")
    Traceback (most recent call last):
    lab.notebook.errors.LessonError: No container is called `web`.
    Try: docker ps -a
    """

    def _render_traceback_(self) -> list[str]:
        """Called by IPython in place of its own traceback."""
        first, *rest = str(self).splitlines()
        return [f"{_BOLD}{first}{_PLAIN}", *rest]
