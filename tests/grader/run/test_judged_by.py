"""What judges a submission is in its key, and nothing else of the grader is."""

import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

from grader.course import Course
from grader.gradebook.journal import key_of
from grader.run.judged_by import PACKAGE, JudgedBy, code_hash
from grader.run.submission import Submission
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
IMAGE = SandboxImage("lab:1", "template-1", "registry-1")
WORK = Submission("ada", {"tiny.ipynb": b"{}"})


@pytest.fixture
def course(tmp_path: Path) -> Course:
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    return Course(tmp_path)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    without_caches = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "grader", ignore=without_caches))


def key(course: Course, image: SandboxImage = IMAGE, limits: SandboxLimits | None = None) -> str:
    return WORK.key(JudgedBy.now(course, "tiny", image, limits or SandboxLimits()))


def changed(path: Path) -> None:
    path.write_text(path.read_text() + "\n")


@pytest.mark.parametrize(
    "module",
    [
        "checks/containers.py",
        "checks/container/facts.py",
        "judging/execution.py",
        "judging/repair.py",
        "sandbox/inside/relay.py",
    ],
)
def test_code_that_judges_is_in_the_key(package: Path, module: str) -> None:
    before = code_hash(package)
    code_hash.cache_clear()
    changed(package / module)
    assert code_hash(package) != before


def test_module_that_is_new_among_them_is_in_the_key(package: Path) -> None:
    before = code_hash(package)
    code_hash.cache_clear()
    (package / "checks" / "new.py").write_text("")
    assert code_hash(package) != before


@pytest.mark.parametrize(
    "module",
    [
        "commands/grade.py",
        "pages/feedback.py",
        "pages/templates/feedback.html.jinja",
        "gradebook/record.py",
        "run/classrun.py",
        "handin/collect.py",
        "sandbox/docker.py",
    ],
)
def test_rest_of_the_grader_is_not(package: Path, module: str) -> None:
    before = code_hash(package)
    code_hash.cache_clear()
    changed(package / module)
    assert code_hash(package) == before


def test_code_is_that_of_this_checkout(course: Course) -> None:
    judged_by = JudgedBy.now(course, "tiny", IMAGE, SandboxLimits())
    assert judged_by.code == code_hash(PACKAGE)
    assert WORK.key(judged_by) != WORK.key(replace(judged_by, code="another"))


def test_exercise_is_in_the_key(course: Course) -> None:
    before = key(course)
    changed(course.root / "solutions" / "tiny" / "tiny.ipynb")
    assert key(course) != before


def test_course_images_are_in_the_key_and_the_name_of_the_lab_image_is_not(course: Course) -> None:
    assert key(course, replace(IMAGE, template="template-2")) != key(course)
    assert key(course, replace(IMAGE, image="lab:2", registry="registry-2")) == key(course)


@pytest.mark.parametrize("limit", [field.name for field in fields(SandboxLimits)])
def test_each_limit_is_in_the_key(course: Course, limit: str) -> None:
    more = replace(SandboxLimits(), **{limit: getattr(SandboxLimits(), limit) + 1})
    assert key(course, limits=more) != key(course)


def test_files_are_in_the_key_and_alone_in_that_of_the_work(course: Course) -> None:
    judged_by = JudgedBy.now(course, "tiny", IMAGE, SandboxLimits())
    other = replace(WORK, files={"tiny.ipynb": b"{ }"})
    assert other.key(judged_by) != WORK.key(judged_by)
    assert WORK.work_key == key_of(WORK.files, ()) != other.work_key
