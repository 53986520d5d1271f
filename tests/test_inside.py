"""Sends the tests that are marked ``engine`` into the test lab, folder by folder, and shows what
they said.
"""

from pathlib import Path

import pytest

from .conftest import ROOT, TestLab

FOLDERS = sorted(
    {
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if "mark.engine" in path.read_text()
    }
    - {"tests"}
)
# Their files share nothing but the engine, and mostly wait. A cluster of the tests' own leaves no
# room for another beside it.
SIDE_BY_SIDE = {"tests/grader/checks": ["-n", "3", "--dist", "loadfile"]}


@pytest.mark.machine
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", FOLDERS)
def test_engine_suite_passes_in_the_lab(
    folder: str, test_lab: TestLab, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "engine", folder]
    done = test_lab.run(*command, *SIDE_BY_SIDE.get(folder, []))
    with capsys.disabled():
        print(f"\n  in the lab: {folder}: {done.stdout.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout


def test_some_folder_has_engine_tests() -> None:
    assert Path("tests/grader/checks").as_posix() in FOLDERS
