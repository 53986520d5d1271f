"""docs/architecture.md: what it names exists, and no folder of the packages is left out."""

import re
from collections.abc import Iterator
from pathlib import Path

from lab.course import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
OURS = "bin|course|docs|grader|lab|solutions|assignments|tests"


def test_every_path_it_names_exists() -> None:
    named = re.findall(rf"\b(?:{OURS})/[\w./-]*\w/?", PAGE)
    assert len(named) > 50
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_folder_of_the_packages_has_a_row() -> None:
    rows = re.search(r"## Folders\n(.*?)\n## ", PAGE, re.DOTALL)
    assert rows
    described = set(re.findall(r"^\| `([\w/]+)/`", rows[1], re.MULTILINE))
    assert {path.relative_to(ROOT).as_posix() for path in packages()} <= described


def test_the_cluster_s_parts_are_on_the_path_of_an_apply() -> None:
    steps = PAGE.partition("## The path of one `kubectl apply`")[2]
    parts = list(folders(ROOT / "lab" / "cluster"))
    assert [path.name for path in parts if f"`{path.relative_to(ROOT)}/" not in steps] == []


def packages() -> Iterator[Path]:
    for name in ("grader", "lab"):
        yield from folders(ROOT / name)


def folders(above: Path) -> Iterator[Path]:
    return (path for path in above.iterdir() if path.is_dir() and (path / "__init__.py").exists())
