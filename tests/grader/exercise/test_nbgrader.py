"""What nbgrader's failures become."""

import pytest
from nbgrader.converters.base import NbGraderException

from grader.exercise.nbgrader import quiet_log, what_nbgrader_said
from lab.errors import LabError

CHAINED = """Traceback (most recent call last):
  File "a", line 1
OSError: the disk is full

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b", line 2
RuntimeError: nothing works"""


def test_first_cause_is_said() -> None:
    log, _ = quiet_log()

    def fail() -> None:
        log.error(CHAINED)
        log.error("Traceback (most recent call last):\nKeyError: 'later'")
        raise NbGraderException("Please see the error log")

    with (
        pytest.raises(LabError, match=r"nbgrader cannot release it: OSError: the disk is full"),
        what_nbgrader_said("release it", "make room"),
    ):
        fail()


def test_without_a_traceback_its_own_words_are_said() -> None:
    with (
        pytest.raises(LabError, match="nbgrader cannot release it: no such assignment"),
        what_nbgrader_said("release it", "look"),
    ):
        raise NbGraderException("no such assignment")
