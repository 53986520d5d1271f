"""Every example in a docstring gives what it says; those of the checks need the lab
(tests/grader/checks), those of lab.notebook draw.
"""

import doctest
from importlib import import_module

import pytest

from lab.course import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("lab", "grader")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8") and not {"checks", "notebook"} & set(path.parts)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    done = doctest.testmod(import_module(name))
    assert done.attempted
    assert not done.failed
