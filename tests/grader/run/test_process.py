"""The process of one submission: what becomes of its death, without any sandbox."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from grader.course import Course
from grader.run.grading import Grading
from grader.run.judged_by import JudgedBy
from grader.run.local import CONTEXT, LocalCarrier
from grader.run.submission import Assignment
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxError, SandboxLimits

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
pytestmark = pytest.mark.timeout(300)


class NoSandboxes:
    """A pool on a machine that has no room."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def sandbox(self) -> Any:
        time.sleep(self.seconds)
        raise SandboxError("the machine has no room")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    for student in ("ada", "bob", "eve"):
        shutil.copytree(tmp_path / "solutions" / "tiny", tmp_path / "submitted" / student / "tiny")
    eve = tmp_path / "submitted" / "eve" / "tiny" / "tiny.ipynb"
    nothing = "[]," * 20_000_000  # small in bytes, and a gigabyte as objects
    eve.write_text('{"nbformat": 4, "cells": [], "metadata": [' + nothing + "[]]}")
    (tmp_path / "submitted" / "bob" / "tiny" / "tiny.ipynb").write_text("{")
    return Course(tmp_path)


def grading_of(course: Course, **limits: Any) -> Grading:
    judged_by = JudgedBy("code", "exercise", "images", SandboxLimits(**limits))
    return Grading(Assignment.open(course, "tiny"), judged_by)


def carrier_with(pool: NoSandboxes) -> LocalCarrier:
    client: Any = None
    made = LocalCarrier(client, SandboxImage("none"), SandboxLimits(), nodes=0, ahead=0, needed=0)
    made._sandboxes = pool  # type: ignore[assignment]
    return made


def test_each_reason_comes_out_of_its_process(course: Course) -> None:
    carrier, grading = carrier_with(NoSandboxes()), grading_of(course)
    ada, bob, eve = (carrier.grade(grading, student) for student in ("ada", "bob", "eve"))
    assert (ada.reason, ada.notes) == ("environment", ["the machine has no room (tried 3 times)"])
    assert bob.reason == "malformed"
    assert (eve.reason, eve.graded) == ("over-limit", False)
    assert eve.notes == ["Grading it needed more than 768 MiB of memory and was stopped."]
    page = course.folder("feedback", "tiny", "eve") / "not-graded.html"
    assert "Hand in something smaller" in page.read_text()


def test_waiting_for_a_sandbox_takes_nothing_from_its_time(course: Course) -> None:
    """Three times six seconds, of twelve in all."""
    ada = carrier_with(NoSandboxes(6)).grade(grading_of(course, grading_seconds=12), "ada")
    assert ada.reason == "environment", ada.notes


def test_a_process_that_does_not_end_is_stopped(course: Course) -> None:
    """Eve's file takes seconds to read."""
    limits = {"grading_seconds": 0.2, "grading_memory": 8000}
    eve = carrier_with(NoSandboxes()).grade(grading_of(course, **limits), "eve")
    assert (eve.reason, eve.graded) == ("over-limit", False)
    assert "more than 0.00333 minutes" in eve.notes[0]


def test_a_process_that_is_killed_is_our_side(course: Course) -> None:
    class Killing(NoSandboxes):
        """By hand, while its process waits for a sandbox."""

        def sandbox(self) -> Any:
            (child,) = CONTEXT.active_children()
            child.kill()
            return super().sandbox()

    ada = carrier_with(Killing(1)).grade(grading_of(course), "ada")
    assert (ada.reason, ada.graded) == ("environment", False)
    assert "was killed" in ada.notes[0]
