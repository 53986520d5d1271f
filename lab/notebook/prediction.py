"""Predict first, then look: what the reader expected stands beside what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import ipywidgets  # type: ignore[import-untyped]
from IPython.display import display

from lab.notebook.errors import LessonError

_choices: dict[str, ipywidgets.RadioButtons] = {}
"""By key, for as long as this kernel lives."""


def predict(key: str, question: str, options: Sequence[str]) -> None:
    """Ask for a prediction: radio buttons in the order given; `key` is for `outcome`.

    >>> predict("second-run", "What does the second run do?", ["pulls again", "uses what is here"])
    """
    if len(set(options)) < max(len(options), 2):
        raise LessonError(f"predict({key!r}): give at least two different options.")
    buttons = ipywidgets.RadioButtons(options=options, index=None, layout={"width": "max-content"})
    _choices[key] = buttons
    box = ipywidgets.VBox([ipywidgets.HTML(f"<b>Predict:</b> {escape(question)}"), buttons])
    bundle = dict(box._repr_mimebundle_())
    bundle["text/plain"] = "\n".join(
        [f"Predict: {question}", *(f"  ( ) {option}" for option in options)]
    )
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def outcome(key: str, observed: str, why: str = "") -> None:
    """Show what was predicted under `key` beside what was `observed`, and `why` it came so.

    >>> outcome("second-run", "uses what is here", why="The layers are on the engine already.")
    """
    predicted = _choices[key].value if key in _choices else None
    facts = {"You predicted": predicted, "What happened": observed, "Why": why}
    display(_Facts({name: text for name, text in facts.items() if text}))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Facts:
    facts: dict[str, str]

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self.facts.items())

    def _repr_html_(self) -> str:
        rows = (
            "<tr><th"
            f' style="text-align:left;vertical-align:top;white-space:nowrap">{escape(name)}</th><td'
            f' style="text-align:left">{escape(text)}</td></tr>'
            for name, text in self.facts.items()
        )
        return f"<table>{''.join(rows)}</table>"
