"""docs/checks/: the failures it shows are what the checks really say, on containers and objects
made by the commands of its stage.

`python -m tests.grader.checks.test_reference` (in the lab) writes the pages, one for each noun.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grader.checks
from grader.checks import CheckFailed, ConfigMap, File
from grader.checks.cluster_objects import ClusterObject

from .clusters import own_namespace
from .examples import ANSWERS, CLEAN, EXAMPLES, OTHER_NOUN, STAGE

pytestmark = pytest.mark.engine

FOLDER = Path(__file__).parents[3] / "docs" / "checks"
MARK = "<!-- Written by tests/grader/checks/test_reference.py -->\n"


# what a noun takes over from another one is told there
TOLD_ELSEWHERE = {"dockerfile": File, "secret": ConfigMap} | dict.fromkeys(
    ("deployment", "service", "configmap"), ClusterObject
)


@contextlib.contextmanager
def stage() -> Iterator[None]:
    """What the page's examples look at, made by the commands it shows."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, own_namespace():
        os.chdir(folder)
        try:
            subprocess.run(["bash", "-c", STAGE], capture_output=True)
            yield
        finally:
            subprocess.run(["bash", "-c", CLEAN], capture_output=True)
            os.chdir(before)


def reference() -> dict[str, str]:
    """The pages by file name: the stage, then for each noun its facts, and its checks with what
    they say.
    """
    pages = {
        "stage.md": _page(
            "# The stage of the examples\n",
            "Every example under [Checks](../checks.md) looks at what these commands made:\n",
            "```bash",
            STAGE + "```\n",
            f"The student assigned {_assigned()}.",
        )
    }
    with stage():
        for noun, (call, kind, checks) in EXAMPLES.items():
            pages[f"{noun}.md"] = _page(*_noun(noun, call, kind, checks))
    pages["credit.md"] = _page(
        "# credit\n", _call("credit", grader.checks), _doc(grader.checks.credit)
    )
    return pages


def _page(*parts: str) -> str:
    return MARK + "\n".join(parts).rstrip() + "\n"


def _noun(noun: str, call: str, kind: type, checks: dict[str, str]) -> list[str]:
    parts = [f"# {noun}\n", _call(noun, grader.checks), _doc(getattr(grader.checks, noun)) + "\n"]
    parts += _facts(kind)
    if inherited := [_inherited(kind, check) for check in _checks(kind) if check not in checks]:
        parts += [f"It also has {', '.join(inherited)}.\n"]
    parts += ["The examples look at [this stage](stage.md).\n"] if checks else []
    for check, arguments in checks.items():
        parts += _section(OTHER_NOUN.get(f"{noun}.{check}", call), kind, check, arguments)
    return parts


def _inherited(kind: type, check: str) -> str:
    """A link to the page of the noun that shows this same check."""
    noun = next(
        noun
        for noun, (_, other, checks) in EXAMPLES.items()
        if check in checks and getattr(other, check) is getattr(kind, check)
    )
    return f"[{check}]({noun}.md#{check})"


def _call(name: str, owner: object) -> str:
    return f"```python\n{name}{_signature(owner, name)}\n```\n"


def _assigned() -> str:
    return ", ".join(f"`{name} = {value!r}`" for name, value in ANSWERS.items())


def _facts(kind: type) -> list[str]:
    facts = {
        name: each
        for name, each in inspect.getmembers(kind)
        if isinstance(each, property) and name[0] != "_"
    }
    rows = [f"| `{name}` | `{_returns(fact)}` | {_first(fact)} |" for name, fact in facts.items()]
    others = [
        name
        for name in _public(kind)
        if not name.startswith("must_") and name not in facts and name != "max_bytes"
    ]
    rows += [
        f"| `{name}{_signature(kind, name)}` | | {_first(getattr(kind, name))} |".replace(
            " | None", " \\| None"
        )
        for name in others
    ]
    return ["| fact | type | |", "| --- | --- | --- |", *rows, ""] if rows else []


def _section(call: str, kind: type, check: str, arguments: str) -> list[str]:
    source = f"{call}.{check}({arguments})"
    return [
        f"## {check}\n",
        _call(check, kind),
        _doc(getattr(kind, check)) + "\n",
        "For example:\n",
        "```python",
        source,
        "```",
        "```text",
        _failure(source),
        "```\n",
    ]


def _failure(source: str) -> str:
    namespace: dict[str, Any] = {**vars(grader.checks), **ANSWERS}
    try:
        exec(source, namespace)
    except CheckFailed as failure:
        return _without_ids(str(failure))
    raise AssertionError(f"{source} does not fail")


def _without_ids(text: str) -> str:
    """What differs from engine to engine left out: what else is there, sizes, and names that the
    cluster draws.
    """
    text = re.sub(r"is \d+\.\d MiB", "is 1.9 MiB", text)
    text = re.sub(r"\b(draft|news)-[a-z0-9]+-[a-z0-9]{5}\b", r"\1-…", text)
    return re.sub(r"(The (?:containers|images) here): .*\.", r"\1: ….", text)


def _doc(thing: object) -> str:
    """The docstring, its example as a block of code."""
    text, prompt, example = (inspect.getdoc(thing) or "").partition(">>>")
    return f"{text}```python\n{prompt}{example}\n```" if prompt else text


def _first(thing: object) -> str:
    return _doc(thing).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _returns(fact: property) -> str:
    return (
        str(inspect.signature(fact.fget).return_annotation).replace("|", "\\|") if fact.fget else ""
    )


class _Bare(str):
    """An annotation shown as it is written."""

    def __repr__(self) -> str:
        return str(self)


def _signature(owner: object, name: str) -> str:
    signature = inspect.signature(getattr(owner, name))
    parameters = [
        p.replace(annotation=_Bare(p.annotation))
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _checks(kind: type) -> list[str]:
    return [name for name in _public(kind) if name.startswith("must_")]


def _public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind) if not name.startswith("_")]


@pytest.mark.parametrize("noun", EXAMPLES)
def test_every_check_has_an_example(noun: str) -> None:
    _, kind, checks = EXAMPLES[noun]
    elsewhere = set(_public(TOLD_ELSEWHERE[noun])) if noun in TOLD_ELSEWHERE else set()
    assert set(checks) == set(_checks(kind)) - elsewhere


def test_pages_say_what_the_checks_say() -> None:
    assert {page.name: page.read_text() for page in FOLDER.iterdir()} == reference()


if __name__ == "__main__":
    for _name, _text in reference().items():
        (FOLDER / _name).write_text(_text)
