"""The cells that readers write: each task is passed by its solution, and missed with wrong answers,
which are told what is wrong with them.

The lessons go by turns (tests/suite).
"""

import json

import pytest

from lab.course import ROOT
from lab.lessontexts import source, your_turns

from .conftest import TestLab
from .lesson_tasks import Tried, put_solved, texts_of
from .suite.items import Item
from .test_lessons import at_rest, wait_for

LESSONS = sorted(path.stem for path in (ROOT / "course").glob("*.ipynb"))
LEAST_WRONG = 2
HINTS = range(2, 5)


def cells(stem: str) -> list[dict[str, object]]:
    content = json.loads((ROOT / "course" / f"{stem}.ipynb").read_text())["cells"]
    return list(content)


@pytest.mark.parametrize("stem", LESSONS)
def test_each_task_stands_in_its_lesson_once_and_is_not_solved_there(stem: str) -> None:
    texts = texts_of(stem)
    found = [(number, task) for number, _, task in your_turns(cells(stem), texts)]
    assert [task.key for _, task in found] == sorted(
        texts, key=[task.key for _, task in found].index
    )
    for number, task in found:
        written = source(cells(stem)[number])
        assert task.solution not in written
        assert len(task.wrong) >= LEAST_WRONG, task.key
        assert len(task.hints) in HINTS, task.key
        assert task.solution not in task.hints[0], "never the whole solution at the first miss"


def each_lesson() -> pytest.MarkDecorator:
    with_tasks = [stem for stem in LESSONS if texts_of(stem)]
    items = [
        Item("task", stem, "always" if stem == with_tasks[0] else "by turns") for stem in with_tasks
    ]
    marked = [
        pytest.param(item.name, marks=pytest.mark.proves(item), id=item.name) for item in items
    ]
    return pytest.mark.parametrize("stem", marked)


@pytest.mark.lesson
@pytest.mark.timeout(1200)
@each_lesson()
def test_tasks_tell_right_from_wrong(stem: str, test_lab: TestLab) -> None:
    test_lab.run("docker", "image", "prune", "--force")
    before = at_rest(test_lab)
    put_solved(f"{stem}.ipynb", test_lab.workspace)
    user = "student" if test_lab.run("id", "student").returncode == 0 else "root"
    lesson = f"/home/student/workspace/course/{stem}.ipynb"
    done = test_lab.run("python", "-m", "tests.lesson_tasks", lesson, user=user)
    # what its last cells would have removed
    test_lab.run(
        "python",
        "-c",
        CLEAN_UP.format(number=stem[:2]),
        user=user,
        cwd="/home/student/workspace/course",
    )
    # a wrong answer may remove a container and leave the volume that its image asked for
    for kind in ("volume", "image"):
        test_lab.run("docker", kind, "prune", "--force")
    left = wait_for(before, test_lab)
    assert done.returncode == 0, done.stdout
    texts = texts_of(stem)
    tried = [Tried(**each) for each in json.loads(done.stdout.splitlines()[-1])]
    assert [each.key for each in tried] == list(texts)
    for each in tried:
        assert each.before.startswith("Not yet: "), f"{each.key} is passed before it is done"
        assert each.solved == "✓ That is it.", f"{each.key}: {each.solved}"
        for number, (wrong, said) in enumerate(zip(texts[each.key].wrong, each.wrong, strict=True)):
            others = [text for n, text in enumerate(each.wrong) if n != number]
            assert said.startswith("Not yet: "), f"{each.key} is passed by: {wrong.answer}"
            assert wrong.says in said, f"{each.key}, {wrong.answer}: {said}"
            assert not any(wrong.says in other for other in others), f"{each.key}: {wrong.says}"
    assert left == before


CLEAN_UP = """
from lab.notebook import clean_start
clean_start("{number}", cluster=True)
"""
