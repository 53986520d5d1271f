"""What bash reports of the first command that fails, and what it does not take for a failure."""

import subprocess
import tempfile
import tomllib

import pytest

from lab.build.context import context_files
from lab.course import ROOT

FILE = ROOT / "lab" / "notebook" / "report_failure.bash"
MUCH = "head -c 1000000 /dev/zero"  # more than a pipe holds: it dies of SIGPIPE, or is about to


def run(script: str) -> tuple[int, str, list[tuple[int, str, str]]]:
    """Exit status, standard output, and each report: line, command, statuses of the pipe."""
    with tempfile.TemporaryFile() as report:
        prefix = f"__report_fd={report.fileno()}; source {FILE}; "
        done = subprocess.run(
            ["bash", "-ETeuo", "pipefail", "-c", prefix + script, "cell"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            pass_fds=(report.fileno(),),
        )
        report.seek(0)
        words = report.read().decode().split("\0")[:-1]
    reports = zip(map(int, words[::3]), words[1::3], words[2::3], strict=True)
    return done.returncode, done.stdout, list(reports)


def test_the_first_command_that_fails_ends_the_script_and_is_named() -> None:
    assert run("echo a\nfalse\necho b") == (1, "a\n", [(2, "false", "1")])


@pytest.mark.parametrize("script", ["f() {\n  false\n}\nf", "(\n  false\n)", "x=1\n[ $x = 2 ]"])
def test_functions_subshells_and_tests_have_the_readers_lines(script: str) -> None:
    status, _, reports = run(script)
    assert (status, reports[0][0]) == (1, 2)


def test_all_statuses_of_a_pipe_are_reported() -> None:
    status, _, reports = run("true\nfalse | sh -c 'exit 3' | true")
    assert (status, [(line, statuses) for line, _, statuses in reports]) == (3, [(2, "1 3 0")])


@pytest.mark.parametrize(
    "script",
    [
        f"{MUCH} | head -c 1",
        f"{MUCH} | tr '\\0' a | grep -q a",
        f"x=$({MUCH} | head -c 1 | tr '\\0' a)",
        f"({MUCH} | head -c 1)",
        f"for i in 1 2; do {MUCH} | head -c 1; done",
    ],
)
def test_a_pipe_whose_reader_ended_early_goes_on(script: str) -> None:
    status, shown, reports = run(f"{script}\necho went on\nfalse\necho not")
    assert (status, reports) == (1, [(3, "false", "1")]), "and errexit is on again afterwards"
    assert shown.endswith("went on\n")


def test_a_command_that_dies_of_sigpipe_by_itself_fails() -> None:
    status, shown, reports = run("sh -c 'kill -PIPE $$'\necho not")
    assert (status, shown, reports[0][2]) == (141, "", "141")


def test_a_pipe_whose_writer_failed_otherwise_fails() -> None:
    status, _, reports = run("sh -c 'echo a; exit 4' | head -n 1\necho not")
    assert (status, [statuses for _, _, statuses in reports]) == (4, ["4 0"])


@pytest.mark.parametrize("script", ["false || true", "if false; then :; fi", "! false", "set +e"])
def test_what_is_asked_for_is_no_failure(script: str) -> None:
    assert run(f"{script}\necho done") == (0, "done\n", [])


def test_a_reader_who_switched_errexit_off_keeps_it_off() -> None:
    status, shown, _ = run(f"set +e\n{MUCH} | head -c 1 > /dev/null\nfalse\necho done")
    assert (status, shown) == (0, "done\n")


def test_it_is_in_the_image_and_in_a_wheel() -> None:
    path = FILE.relative_to(ROOT).as_posix()
    assert f"course/{path}" in {name for name, _, _ in context_files()}
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]
    assert any(
        FILE.match(pattern) for pattern in [*data.get("*", []), *data.get("lab.notebook", [])]
    )
