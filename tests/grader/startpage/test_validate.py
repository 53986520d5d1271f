"""Validate's verdicts reach the start page: nbgrader's own Validate, configured as in the lab."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.validator import Validator
from traitlets.config import Config

from grader.startpage.progress import PROGRESS, load

from ..judging.test_validate import CONFIG, RIGHT, notebook
from .workspaces import record

# two kernels start for each notebook
pytestmark = [pytest.mark.grading, pytest.mark.timeout(120)]
EXERCISE = "assignments/01-try/01-try.ipynb"


def validate(workspace: Path, path: str, first: str, second: str) -> None:
    """As the button does."""
    target = workspace / path
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(first, second), target)
    names: dict[str, Any] = {"get_config": Config}
    exec(CONFIG.read_text(), names)
    Validator(config=names["c"]).validate(str(target))


def test_checks_that_passed_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_FOLDER", str(tmp_path))
    record(tmp_path, EXERCISE)
    validate(tmp_path, EXERCISE, "1/0\nanswer = 4", "lines = 2")
    assert (load(tmp_path)[EXERCISE].passed, load(tmp_path)[EXERCISE].checks) == (1, 2)
    validate(tmp_path, EXERCISE, *RIGHT)
    assert (load(tmp_path)[EXERCISE].passed, load(tmp_path)[EXERCISE].checks) == (2, 2)


def test_what_is_no_exercise_of_the_course_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_FOLDER", str(tmp_path))
    record(tmp_path, EXERCISE)
    validate(tmp_path, "assignments/mine/mine.ipynb", *RIGHT)
    assert not (tmp_path / PROGRESS).exists()
