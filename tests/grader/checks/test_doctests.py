"""Every example in a docstring of the checks gives what it says."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import grader.checks

MODULES = [module.name for module in pkgutil.iter_modules(grader.checks.__path__, "grader.checks.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("name", [name for name in grader.checks.__all__ if name[0].islower()])
def test_each_noun_has_an_example(name: str) -> None:
    assert ">>>" in str(getattr(grader.checks, name).__doc__)
