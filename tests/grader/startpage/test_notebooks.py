"""Which lessons and exercises a workspace has, in which order, and what was run of each."""

import json
import shutil
from pathlib import Path

import pytest

from grader.startpage.notebooks import UNREADABLE, read_notebook, read_notebooks
from grader.startpage.progress import keep, load
from lab.course import RECORD, ROOT

from .workspaces import exercise, lesson, record, write

FIRST = "course/01-first.ipynb"


def names(workspace: Path) -> list[str]:
    return [notebook.name for notebook in read_notebooks(workspace)]


def test_exercises_come_after_the_last_lesson_that_they_name(tmp_path: Path) -> None:
    write(tmp_path, "assignments/11-late/11-late.ipynb", exercise(11, "lessons 02 and 09"))
    write(tmp_path, "assignments/00-early/00-early.ipynb", exercise(0, "lesson 01"))
    for number in (10, 9, 1, 2):
        write(tmp_path, f"course/{number:02}-lesson.ipynb", lesson(number))
    assert names(tmp_path) == [
        "01-lesson",
        "00-early",
        "02-lesson",
        "09-lesson",
        "11-late",
        "10-lesson",
    ]


def test_first_cell_says_title_question_and_minutes(tmp_path: Path) -> None:
    write(tmp_path, FIRST, lesson(1, "What is it?"))
    write(tmp_path, "assignments/01-try/01-try.ipynb", exercise(1, "lesson 01"))
    one, other = read_notebooks(tmp_path)
    assert (one.label, one.question, one.minutes) == ("Lesson 01 · What is it?", "What is 1?", 1)
    assert (other.label, other.question, other.minutes) == ("Exercise 01 · Try", "You try it.", 20)


def test_a_section_is_run_once_all_its_code_cells_were(tmp_path: Path) -> None:
    sections = [("", [True]), ("Whole", [True, True]), ("Half", [True, False]), ("Text", [])]
    write(tmp_path, FIRST, lesson(1), *sections)
    notebook = read_notebook(tmp_path, FIRST)
    assert notebook.sections == {"": True, "Whole": True, "Half": False}
    assert notebook.begun


def test_empty_cells_that_a_reader_adds_do_not_count(tmp_path: Path) -> None:
    target = write(tmp_path, FIRST, lesson(1), ("Whole", [True]))
    content = json.loads(target.read_text())
    content["cells"].append({"cell_type": "code", "source": "\n", "execution_count": None})
    target.write_text(json.dumps(content))
    assert read_notebook(tmp_path, FIRST).sections == {"Whole": True}


@pytest.mark.parametrize(
    "content", ["", "not a notebook", "[1]", '{"cells": 7}', '{"cells": ["x"]}', '{"cells": [{']
)
def test_a_broken_notebook_stays_in_its_place_and_says_so(content: str, tmp_path: Path) -> None:
    write(tmp_path, "course/01-what-is-it.ipynb", lesson(1)).write_text(content)
    write(tmp_path, "course/02-next.ipynb", lesson(2))
    broken, sound = read_notebooks(tmp_path)
    assert (broken.label, broken.problem) == ("Lesson 01 · what is it", UNREADABLE)
    assert not sound.problem


@pytest.mark.parametrize(
    "cell", ["{}", '{"cell_type": "code", "source": 7}', '{"cell_type": "markdown", "source": [1]}']
)
def test_odd_cells_are_read_as_far_as_they_go(cell: str, tmp_path: Path) -> None:
    write(tmp_path, FIRST, lesson(1)).write_text(f'{{"cells": [{cell}]}}')
    (notebook,) = read_notebooks(tmp_path)
    assert (notebook.number, notebook.begun, notebook.minutes) == (1, False, None)


def test_half_a_character_and_a_number_without_end_do_no_harm(tmp_path: Path) -> None:
    """A page or a file with the first could not be written, and saving a notebook would fail."""
    first = f"# 01 · Half \ud83d\n\n**{'9' * 5000} minutes?**"
    write(tmp_path, FIRST, first, ("Half \ud83d", [True]))
    notebooks = read_notebooks(tmp_path)
    assert (notebooks[0].title, notebooks[0].minutes) == ("Half ?", None)
    keep(tmp_path, notebooks)
    assert load(tmp_path)[FIRST].done


def test_a_notebook_without_cells_is_listed_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, FIRST, lesson(1)).write_text('{"cells": []}')
    (notebook,) = read_notebooks(tmp_path)
    assert (notebook.label, notebook.sections) == ("Lesson 01 · first", {})


def test_missing_files_and_copies_are_not_listed(tmp_path: Path) -> None:
    target = write(tmp_path, FIRST, lesson(1))
    for name in ("01-first-Copy1", "01-mine", "mine"):
        shutil.copy(target, target.with_name(f"{name}.ipynb"))
    record(tmp_path, "course/02-deleted.ipynb", "course/apps/web/app.js", "course/apps/01-x.ipynb")
    record(tmp_path, f"course/03-{'x' * 300}.ipynb")  # the machine refuses to look
    assert names(tmp_path) == ["01-first"]


@pytest.mark.parametrize("content", [None, "{ not json", "[" * 100_000, "[1, 2]", "7"])
def test_without_a_record_there_is_nothing_to_list(content: str | None, tmp_path: Path) -> None:
    write(tmp_path, FIRST, lesson(1))
    (tmp_path / RECORD).unlink()
    if content is not None:
        (tmp_path / RECORD).write_text(content)
    assert read_notebooks(tmp_path) == []


def test_each_notebook_of_the_course_says_what_the_page_shows(tmp_path: Path) -> None:
    paths = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("course/*.ipynb", "assignments/*/*.ipynb")
        for path in ROOT.glob(pattern)
    ]
    record(tmp_path, *paths)
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    found = read_notebooks(tmp_path)
    assert {one.path for one in found} == set(paths)
    assert [one.path for one in found if not (one.question and one.minutes and one.sections)] == []
    assert [one.path for one in found if one.after > 99] == []
