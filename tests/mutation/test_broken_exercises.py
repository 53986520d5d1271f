"""A broken answer loses points, and a broken test cell lets some wrong answer through: both are
tried in small ways, for each exercise.
"""

import shutil
from collections.abc import Iterator, Sequence

import docker
import pytest

from grader.commands.grade import sandbox_place
from grader.exercise.release import SOURCE
from grader.sandbox.docker import Place, sweep
from lab.course import ROOT
from lab.machine.host import ensure_engine

from ..exercises import EXERCISES, Exercise
from ..suite.items import Item
from .marking import Marking, broken_answers, broken_cells
from .mutants import Mutant
from .reviewed import chosen, report

pytestmark = [
    pytest.mark.mutation,
    pytest.mark.machine,
    pytest.mark.grading,
    pytest.mark.timeout(3600),
]


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[tuple[docker.DockerClient, Place]]:
    client = ensure_engine()
    yield client, sandbox_place(client)
    sweep(client)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            one, marks=pytest.mark.proves(Item("mutation", one.name, "all only")), id=one.name
        )
        for one in EXERCISES
    ],
)
def marking(
    request: pytest.FixtureRequest,
    sandboxes: tuple[docker.DockerClient, Place],
    tmp_path_factory: pytest.TempPathFactory,
) -> Marking:
    exercise: Exercise = request.param
    folder = tmp_path_factory.mktemp(exercise.name)
    shutil.copytree(ROOT / SOURCE / exercise.name, folder / SOURCE / exercise.name)
    return Marking(exercise, *sandboxes, folder)


def test_broken_answers_lose_points(
    marking: Marking, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    mutants = broken_answers(marking.exercise)
    tried = chosen(mutants, pytestconfig)
    survivors = marking.still_right(tried)
    show(capsys, f"{marking.exercise.name}: broken answers", mutants, tried, survivors)
    assert survivors == [], report(
        survivors,
        f"Make a test cell of {SOURCE}/{marking.exercise.name} look for it, and release it again.",
    )


def test_broken_test_cells_misjudge_something(
    marking: Marking, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    mutants = broken_cells(marking.exercise)
    tried = chosen(mutants, pytestconfig)
    survivors = marking.unnoticed(tried)
    show(capsys, f"{marking.exercise.name}: broken test cells", mutants, tried, survivors)
    assert survivors == [], report(
        survivors,
        f"Write a wrong answer into tests/wrong/{marking.exercise.name}.toml that only the lost"
        " part refuses.",
    )


def show(
    capsys: pytest.CaptureFixture[str],
    what: str,
    mutants: Sequence[Mutant],
    tried: Sequence[Mutant],
    survivors: Sequence[Mutant],
) -> None:
    with capsys.disabled():
        print(
            f"\n  {what}: {len(mutants)} in all, {len(tried)} tried, {len(tried) - len(survivors)}"
            f" noticed, {len(survivors)} not"
        )
