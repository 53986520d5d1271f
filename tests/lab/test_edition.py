"""The students' edition on a machine: a lab opens from it, as from a checkout."""

import json
from collections.abc import Iterator

import pytest

from lab.build.image import image_name

from ..checkouts import Checkout, unpack_edition

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]
LESSON, EXERCISE = "01-what-is-docker", "00-check-your-lab"


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The unpacked edition, with a running lab."""
    made = Checkout(unpack_edition(tmp_path_factory.mktemp("edition")))
    try:
        made.up()
        yield made
    finally:
        made.lab("down")


def test_its_lab_runs_on_the_same_image_as_the_checkouts(edition: Checkout) -> None:
    assert edition.container().attrs["Config"]["Image"] == image_name()
    assert edition.lab("sh", "docker", "run", "--rm", "busybox", "echo", "ok") == "ok\n"


def test_a_lesson_runs_in_it(edition: Checkout) -> None:
    execute = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    ran = json.loads(edition.lab("sh", *execute, f"course/{LESSON}.ipynb"))
    code = [cell for cell in ran["cells"] if cell["cell_type"] == "code"]
    assert any(cell["outputs"] for cell in code)


def test_validate_says_what_is_missing(edition: Checkout) -> None:
    notebook = f"assignments/{EXERCISE}/{EXERCISE}.ipynb"
    said = edition.lab("sh", "nbgrader", "validate", notebook)
    assert "The following cell failed" in said
    assert "Try: " in said


def test_work_is_handed_in_from_the_lab_and_from_the_machine(edition: Checkout) -> None:
    edition.lab("sh", "lab", "submit", EXERCISE, "--student", "ada")
    edition.lab("submit", EXERCISE)
    files = (edition.folder / "workspace" / "hand-in").glob("ada-*.zip")
    assert list(files)


def test_a_newer_edition_unpacked_over_it_keeps_the_work(edition: Checkout) -> None:
    mine = edition.folder / "workspace" / "assignments" / EXERCISE / f"{EXERCISE}.ipynb"
    mine.write_text(before := mine.read_text().replace("YOUR ANSWER HERE", "In my own words"))
    assert "In my own words" in before
    assert unpack_edition(edition.folder.parent) == edition.folder
    edition.up()
    assert mine.read_text() == before


def test_down_leaves_nothing(edition: Checkout) -> None:
    edition.lab("down")
    assert edition.left() == []
    assert (edition.folder / "workspace" / "course").is_dir()
