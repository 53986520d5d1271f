"""nbgrader's commands that the course has its own for: in the course's folder each ends with a
sentence that names ours. ``nbgrader_config.py`` puts these classes in their places.
"""

from typing import Any, NoReturn

from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException  # type: ignore[import-untyped]
from nbgrader.exchange import abc  # type: ignore[import-untyped]
from nbgrader.plugins import ExportPlugin, ExtractorPlugin  # type: ignore[import-untyped]

SANDBOXES = "Submissions are graded in sandboxes, from a terminal: bin/lab grade ASSIGNMENT"
RELEASE = "Exercises are checked and released from a terminal: bin/lab release"
COLLECT = "Hand-ins are checked and collected from a terminal: bin/lab collect FILE..."
PAGES = "Feedback pages are written by bin/lab feedback ASSIGNMENT, or formgrader's speech bubble"
HAND_OUT = (
    "The course uses no exchange: hand out the pages in feedback/STUDENT/ASSIGNMENT/ yourself."
    " bin/lab feedback ASSIGNMENT writes them."
)
EXPORT = "Marks are exported from a terminal, safe for spreadsheets: bin/lab export ASSIGNMENT"
# by the last part of formgrader's address
COMMANDS = {
    "autograde": SANDBOXES,
    "assign": RELEASE,
    "release": RELEASE,
    "unrelease": RELEASE,
    "collect": COLLECT,
    "release_feedback": HAND_OUT,
}


class _RefusingExporter(NotebookExporter):
    """Refuses before anything is converted, so what was there stays."""

    sentence = ""

    def __init__(self, *args: Any, parent: Any = None, **options: Any) -> None:
        if parent is not None:
            parent.log.error(self.sentence)  # nbgrader's commands say nothing of the exception
        raise NbGraderException(self.sentence)


class GradeInSandbox(_RefusingExporter):
    """For ``nbgrader autograde``, which would run submissions as the instructor."""

    sentence = SANDBOXES


class ReleaseChecked(_RefusingExporter):
    """For ``nbgrader generate_assignment``, which checks less."""

    sentence = RELEASE


class WritePages(_RefusingExporter):
    """For ``nbgrader generate_feedback``, whose pages show the hidden tests."""

    sentence = PAGES


class ReleaseAssignment(abc.ExchangeReleaseAssignment):  # type: ignore[misc]
    """For ``nbgrader release_assignment``."""

    def start(self) -> NoReturn:
        self.fail(RELEASE)
        raise AssertionError  # fail does not return


class ReleaseFeedback(abc.ExchangeReleaseFeedback):  # type: ignore[misc]
    """For ``nbgrader release_feedback``."""

    def start(self) -> NoReturn:
        self.fail(HAND_OUT)
        raise AssertionError  # fail does not return


class Collect(abc.ExchangeCollect):  # type: ignore[misc]
    """For ``nbgrader collect``, which looks at nothing that it copies."""

    def start(self) -> NoReturn:
        self.fail(COLLECT)
        raise AssertionError  # fail does not return


class Unpack(ExtractorPlugin):  # type: ignore[misc]
    """For ``nbgrader zip_collect``, which trusts archives."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log.error(COLLECT)
        raise SystemExit(1)


class Export(ExportPlugin):  # type: ignore[misc]
    """For ``nbgrader export``, whose names a spreadsheet would compute."""

    def export(self, gradebook: Any) -> NoReturn:
        self.log.error(EXPORT)
        raise SystemExit(1)
