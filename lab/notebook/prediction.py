"""Predict first, then look: what the reader expected stands beside what happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import ipywidgets  # type: ignore[import-untyped]
from IPython.display import display

from lab.lessontexts import Prediction
from lab.notebook import choices
from lab.notebook.errors import LessonError
from lab.notebook.facts import table
from lab.notebook.texts import OTHER_VERSION, prediction

SOMETHING_ELSE = (
    "something else than any of these answers. Look at the output above: perhaps a command was cut"
    " short, or an earlier try left something. Run this section again from its beginning."
)


def predict(key: str, question: str = "", options: Sequence[str] = ()) -> None:
    """Ask for a prediction; `key` is for `outcome`. What is chosen is kept in the workspace, and
    shown when the cell runs again.

    The question and its options stand beside the lesson, in `course/lesson-texts/`; in a notebook
    of your own here, in the order given.

    >>> predict("02-second")
    >>> predict("mine", "What does the second run do?", ["pulls again", "uses what is here"])
    """
    asked = _written_here(key, question, options) if question else prediction(key)
    kept_as = _own(key) if question else key
    chosen = choices.kept(kept_as)
    buttons = ipywidgets.RadioButtons(
        options=[(text, name) for name, text in asked.options.items()],
        value=chosen if chosen in asked.options else None,
        layout={"width": "max-content"},
    )
    buttons.observe(lambda change: choices.keep(kept_as, change["new"]), names="value")
    box = ipywidgets.VBox([ipywidgets.HTML(f"<b>Predict:</b> {escape(asked.question)}"), buttons])
    bundle = dict(box._repr_mimebundle_())
    shown = [(name == chosen, text) for name, text in asked.options.items()]
    bundle["text/plain"] = "\n".join(
        [f"Predict: {asked.question}", *(f"  ({'x' if on else ' '}) {text}" for on, text in shown)]
    )
    # for a page that keeps the output and has no kernel
    items = "".join(f"<li>{escape(text)}{' (chosen)' if on else ''}</li>" for on, text in shown)
    bundle["text/html"] = f"<p><b>Predict:</b> {escape(asked.question)}</p><ul>{items}</ul>"
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def outcome(
    key: str,
    observed: str = "",
    why: str = "",
    *,
    facts: dict[str, object] | None = None,
    **seen: object,
) -> None:
    """Show what was predicted under `key` beside what happened, and why it came so.

    Each option of the prediction says by its id whether it is what was `seen`; exactly one is, or
    something else happened, for which nobody wrote a *why*. `facts` are what the written *why*
    names in braces. In a notebook of your own: the text `observed`, and `why`.

    >>> outcome("02-second", same="pull" in did, new="create" in did, again="create" not in did)
    >>> outcome("mine", "uses what is here", why="The layers are on the engine already.")
    """
    if not seen:
        chosen = choices.kept(_own(key))
        _show({"You predicted": chosen or "", "What happened": observed, "Why": why})
        return
    chosen = choices.kept(key)
    asked = prediction(key)
    if set(seen) != set(asked.options):
        raise LessonError(
            f"outcome({key!r}) looks for {_listed(seen)}; the options are {_listed(asked.options)}."
            f"\n{OTHER_VERSION}"
        )
    happened = [name for name, is_so in seen.items() if is_so]
    settled = len(happened) == 1
    _show(
        {
            "You predicted": asked.options.get(chosen or "", ""),
            "What happened": asked.options[happened[0]] if settled else SOMETHING_ELSE,
            "Why": asked.why.format(**facts or {}) if happened == [asked.answer] else "",
        }
    )


def _own(key: str) -> str:
    """What a choice is kept as if its notebook holds the question: what is chosen there is a text,
    and no id. A lesson of before texts stood beside it may have the same key.
    """
    return f"own:{key}"


def _written_here(key: str, question: str, options: Sequence[str]) -> Prediction:
    if len(set(options)) < max(len(options), 2):
        raise LessonError(f"predict({key!r}): give at least two different options.")
    return Prediction(key, question, {text: text for text in options}, answer="", why="")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _show(facts: dict[str, str]) -> None:
    display(_Facts({name: text for name, text in facts.items() if text}))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Facts:
    facts: dict[str, str]

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self.facts.items())

    def _repr_html_(self) -> str:
        return table((name, escape(text)) for name, text in self.facts.items())
