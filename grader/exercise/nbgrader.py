"""nbgrader as the course uses it: its configuration, its messages, and one caller at a time."""

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.course import RELEASE, SOURCE, Course
from lab.errors import LabError

if TYPE_CHECKING:
    from nbgrader.coursedir import CourseDirectory  # type: ignore[import-untyped]
    from traitlets.config import Config

# nbgrader changes the working directory of the process while it converts
LOCK = threading.RLock()
# nbgrader's own ends in a Python `raise`, which would end up in a %%writefile Dockerfile
STUB = "# YOUR CODE HERE"


def converter_config() -> "Config":
    """The settings that decide what a release holds (nbgrader_config.py merges them)."""
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.source_directory = SOURCE
    config.CourseDirectory.release_directory = RELEASE
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.text_stub = "YOUR ANSWER HERE"
    return config


def course_directory(course: Course, assignment: str, **changed: str) -> "CourseDirectory":
    """The course as nbgrader sees it."""
    from nbgrader.coursedir import CourseDirectory

    return CourseDirectory(
        root=str(course.root),
        db_url=course.db_url,
        assignment_id=assignment,
        source_directory=SOURCE,
        **changed,
    )


def literal(converter: type[Any]) -> type[Any]:
    """A converter of nbgrader's that takes the one folder that it is told.

    nbgrader's own looks for folders by a pattern, in which ``[a]nna`` means another name.
    """

    class Literal(converter):  # type: ignore[misc]
        def init_notebooks(self) -> None:
            folder = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
            # as it is written: nbgrader matches it with an expression
            found = sorted(f"{folder}/{path.name}" for path in Path(folder).glob("*.ipynb"))
            if not found:
                super().init_notebooks()  # it says what is missing
            self.assignments: dict[str, list[str]] = {folder: found}
            self.notebooks: list[str] = []

    return Literal


def find_alembic() -> None:
    """nbgrader starts ``alembic`` by name to create a gradebook; it is next to this Python."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]


FOLLOWED = re.compile(
    r"\n(?:During handling of the above exception|The above exception was the direct cause)"
)


class _Listener(logging.Handler):
    """Keeps what nbgrader logs as errors: its exceptions only say that there were errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


_LISTENER = _Listener()


def quiet_log() -> tuple[logging.Logger, list[str]]:
    """A log for nbgrader's objects that prints nothing, and the errors in it."""
    log = logging.getLogger("grader.nbgrader")
    log.handlers, log.propagate = [_LISTENER], False
    return log, _LISTENER.messages


@contextmanager
def what_nbgrader_said(doing: str, hint: str) -> Iterator[None]:
    """Turn nbgrader's failure in the block into a LabError: "nbgrader cannot <doing>: <cause>"."""
    from nbgrader.converters.base import NbGraderException  # type: ignore[import-untyped]

    _LISTENER.messages.clear()
    try:
        yield
    except NbGraderException as error:
        traces = [text for text in _LISTENER.messages if text.startswith("Traceback")]
        if traces and _cause(traces[-1]).startswith("MemoryError"):
            raise MemoryError from error
        raise LabError(
            f"nbgrader cannot {doing}: {_cause(traces[0]) if traces else error}", hint
        ) from error


def _cause(trace: str) -> str:
    """The last line of a traceback; of exceptions that led to one another, the first one's."""
    return FOLLOWED.split(trace)[0].strip().split("\n")[-1]
