"""The cells that readers write: each task is passed by its solution, and missed with wrong answers,
which are told what is wrong with them.

The lessons go by turns (tests/suite).
"""

import json

import pytest

from lab.course import ROOT
from lab.lessontexts import source, your_turns

from .conftest import TestLab
from .lesson_tasks import Tried, texts_of
from .test_lessons import each_of, tried_in

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


@pytest.mark.lesson
@pytest.mark.timeout(1200)
@each_of("task", [stem for stem in LESSONS if texts_of(stem)])
def test_tasks_tell_right_from_wrong(stem: str, test_lab: TestLab) -> None:
    said = tried_in("tests.lesson_tasks", stem, test_lab)
    texts = texts_of(stem)
    tried = [Tried(**each) for each in said]
    assert [each.key for each in tried] == list(texts)
    for each in tried:
        assert each.before.startswith("Not yet: "), f"{each.key} is passed before it is done"
        assert each.solved == "✓ That is it.", f"{each.key}: {each.solved}"
        for number, (wrong, said) in enumerate(zip(texts[each.key].wrong, each.wrong, strict=True)):
            others = [text for n, text in enumerate(each.wrong) if n != number]
            assert said.startswith("Not yet: "), f"{each.key} is passed by: {wrong.answer}"
            assert wrong.says in said, f"{each.key}, {wrong.answer}: {said}"
            assert not any(wrong.says in other for other in others), f"{each.key}: {wrong.says}"
