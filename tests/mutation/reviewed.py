"""Mutants that somebody has looked at: they break nothing, and ``equivalent.toml`` says why."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from .mutants import Mutant

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


def reasons() -> dict[tuple[str, str], str]:
    """Why a mutant is none, by (where, diff)."""
    entries = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {
        (entry["where"], diff.strip()): entry["reason"]
        for entry in entries
        for diff in entry["diffs"]
    }


def chosen(mutants: Iterable[Mutant], config: pytest.Config) -> list[Mutant]:
    """Those to try in this run, the reviewed ones left out."""
    known, every = reasons(), config.getoption("--mutants") == "all"
    return [
        mutant
        for mutant in mutants
        if (every or mutant.coarse) and (mutant.where, mutant.diff) not in known
    ]


def report(survivors: Sequence[Mutant], advice: str) -> str:
    """What to read when mutants survive: each of them, and what to add."""
    listed = "\n".join(map(str, survivors))
    return (
        f"{len(survivors)} changes went unnoticed:\n{listed}\n\n{advice}\nOr say in"
        f" {EQUIVALENT.name} why nothing is wrong with it."
    )
