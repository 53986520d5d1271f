"""The questions that stand beside a lesson, for the lesson that runs in this kernel."""

from pathlib import Path
from typing import TypeVar

from lab import lessontexts
from lab.errors import LabError
from lab.lessontexts import LessonTexts, Prediction, Task
from lab.notebook.errors import LessonError

T = TypeVar("T")
# An update of the course never replaces a lesson that its reader has changed, or only run.
OTHER_VERSION = (
    "Try: rename this notebook, then run bin/lab up on your machine: it puts the lesson there that"
    " belongs to the questions."
)


def of_lesson(number: str) -> LessonTexts:
    """The predictions, the tasks and the quiz of the lesson with this number.

    Read each time: somebody who writes them sees the change when the cell runs again.
    """
    file = lessontexts.find(number, Path.cwd())
    if file is None:
        raise LessonError(
            f"The questions of lesson {number} are not here: there is no"
            f" course/{lessontexts.FOLDER}/{number}-….toml above {Path.cwd()}.\nTry: bin/lab up on"
            " your machine, which puts it there again; and open the lesson in the folder course/."
        )
    try:
        return lessontexts.read(file)
    except LabError as error:
        raise LessonError(str(error)) from error


def prediction(key: str) -> Prediction:
    """The prediction with this key, which begins with the lesson's number."""
    return there(of_lesson(key.partition("-")[0]).predictions, key)


def task(key: str) -> Task:
    """The task with this key, which begins with the lesson's number."""
    return there(of_lesson(key.partition("-")[0]).tasks, key)


def there(texts: dict[str, T], key: str) -> T:
    """The one with this key."""
    if key not in texts:
        raise LessonError(f"There is no question {key!r}.\n{OTHER_VERSION}")
    return texts[key]
