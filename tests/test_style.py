"""Lint, types and the promises that files make to each other."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lab.course import ROOT

TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
).stdout.split("\n")

NOTEBOOKS = [
    ROOT / path
    for path in TRACKED
    if path.startswith(("course/", "solutions/")) and path.endswith(".ipynb")
]


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "lab", "grader"]],
    ids=lambda command: " ".join(command),
)
def test_is_clean(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_run_one_way() -> None:
    """The contracts are in pyproject.toml, [tool.importlinter]."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_picture_says_in_words_what_it_shows(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    pictures = [data for data in shown if {"image/png", "text/vnd.mermaid"} & set(data)]
    assert [one for one in pictures if one.get("text/plain", "<")[:1] == "<"] == []
    text = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert [one for one in text if "![](" in one] == []


def test_no_file_is_too_long_to_read() -> None:
    long = [
        name
        for name in TRACKED
        if name.endswith(".py")
        and (ROOT / name).is_file()
        and len((ROOT / name).read_text().splitlines()) > 400
    ]
    assert long == []


def test_no_file_names_a_package_registry() -> None:
    hosts = re.compile(
        "|".join(
            [
                "py" + r"pi\.org",
                "python" + r"hosted\.org",
                "registry" + r"\.npmjs",
                "deb" + r"\.debian\.org",
                "conda" + r"\.anaconda",
            ]
        )
    )
    texts = [ROOT / name for name in TRACKED if name and Path(name).suffix not in {".png", ".ico"}]
    assert [
        path.name
        for path in texts
        if path.is_file() and hosts.search(path.read_text(errors="replace"))
    ] == []


def test_no_container_has_a_name_that_another_ones_id_may_begin_with() -> None:
    """`docker rm -f db`, where nothing has that name, removes a container whose id begins with
    db.
    """
    named = {
        path.name: re.findall(r"--name[ =]([0-9a-f]+)(?![\w-])", path.read_text())
        for path in NOTEBOOKS
    }
    assert {path: names for path, names in named.items() if names} == {}


def test_cell_that_takes_down_the_pod_of_a_new_deployment_waits_until_the_old_ones_are_gone() -> (
    None
):
    """A grader runs a setup cell twice within a second, and a Pod that is going is as old as the
    new one then: a check that goes by when Pods were made takes one for the other.
    """
    cells = [cell.source for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    takers = [
        cell
        for cell in cells
        if re.search(r"--capture.*kubectl delete deployment.*date --utc", cell, re.S)
    ]
    assert takers
    assert [cell for cell in takers if "--cascade=foreground" not in cell] == []
