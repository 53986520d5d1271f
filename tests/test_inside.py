"""Sends the tests that are marked ``engine`` into the test lab, folder by folder, and shows what
they said.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import IN_THE_LAB, ROOT, TestLab

FOLDERS = sorted(
    {
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if "mark.engine" in path.read_text()
    }
    - {"tests"}
)
# Their files share nothing but the engine, and mostly wait.
SIDE_BY_SIDE = {"tests/grader/checks": ["-n", "3"]}
# A cluster of the tests' own leaves no room for another one in the same lab. So what takes long
# comes in parts, each of which another worker's lab may take: the transcripts by their numbers, and
# all that is no transcript.
CLUSTER, FIRST = "tests/lab/cluster", "[0 or [1"
PARTS = {
    "transcripts to 19": (CLUSTER, f"transcripts and ({FIRST})"),
    "transcripts from 20": (CLUSTER, f"transcripts and not ({FIRST})"),
    "behaviour": (CLUSTER, "not transcripts"),
}
SUITES = {folder: (folder, "") for folder in FOLDERS if folder != CLUSTER}
SUITES |= {f"{folder}, {part}": (folder, chosen) for part, (folder, chosen) in PARTS.items()}


@pytest.mark.machine
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suite", SUITES)
def test_engine_suite_passes_in_the_lab(
    suite: str, test_lab: TestLab, record_property: Callable[[str, object], None]
) -> None:
    folder, chosen = SUITES[suite]
    command = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "engine", "-k"]
    done = test_lab.run(*command, chosen, folder, *SIDE_BY_SIDE.get(folder, []))
    record_property(IN_THE_LAB, f"{suite}: {done.stdout.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout


def test_some_folder_has_engine_tests() -> None:
    assert Path("tests/grader/checks").as_posix() in FOLDERS
