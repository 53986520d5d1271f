"""Questions with instant feedback, for the reader alone: nothing is recorded or graded."""

import json
import random
from collections.abc import Sequence
from typing import Any

from jupyterquiz import display_quiz  # type: ignore[import-untyped]

from lab.notebook.texts import of_lesson

# White text on each background has a contrast of at least 4.5:1 (WCAG AA).
_COLOURS = {
    "--jq-multiple-choice-bg": "#00598c",
    "--jq-many-choice-bg": "#8a3b00",
    "--jq-numeric-bg": "#00598c",
    "--jq-string-bg": "#00598c",
    "--jq-mc-button-bg": "#fafafa",
    # stands on the page, light or dark
    "--jq-numeric-input-label": "var(--jp-content-font-color1, #101010)",
    "--jq-correct-color": "#00674c",
    "--jq-incorrect-color": "#a33a00",
    "--jq-text-color": "#ffffff",
    "--jq-link-color": "#cfe8fa",
}


# JupyterLab gives code a background of its own, which no text on a button can be read on.
_CODE = '<code style="background: none; color: inherit">'


def quiz(questions: str | Sequence[dict[str, Any]]) -> None:
    """Show the questions that stand beside the lesson with this number, in `course/lesson-texts/`,
    or questions in jupyterquiz's format, in the order given; without the network.

    >>> quiz("02")
    >>> quiz([{"question": "Which one runs?", "type": "multiple_choice", "answers": [
    ...     {"answer": "an image", "correct": False, "feedback": "An image is a snapshot."},
    ...     {"answer": "a container", "correct": True, "feedback": "Its process is the one."}]}])
    """
    asked = of_lesson(questions).quiz if isinstance(questions, str) else list(questions)
    text = json.dumps(asked)
    # jupyterquiz draws an element's id with `random`: the same quiz gets the same id, so that
    # outputs can be compared.
    state = random.getstate()
    random.seed(text)
    try:
        display_quiz(
            json.loads(text.replace("<code>", _CODE.replace('"', r"\""))),
            shuffle_answers=False,
            colors=_COLOURS,
            border_radius=6,
            max_width=760,
        )
    finally:
        random.setstate(state)
