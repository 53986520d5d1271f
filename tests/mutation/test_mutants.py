"""What breaking a text means, and that the reviewed mutants still exist."""

from ..exercises import EXERCISES
from .marking import broken_answers, broken_cells
from .mutants import Mutant, of_answer, of_code
from .reviewed import reasons
from .try_checks import broken_checks, statement

CELL = """\
web = container("web")
if not (web.exists and web.running):
    raise CheckFailed("found", "expected", "try")
web.must_be_running(for_seconds=2, within_seconds=9)
web.must_have_exited(None)
"""


def diffs(mutants: list[Mutant], *, coarse: bool) -> list[str]:
    return [mutant.diff for mutant in mutants if mutant.coarse is coarse]


def test_short_run_leaves_out_lines_of_an_answer() -> None:
    mutants = of_answer("a", "%%shell\n# first\ndocker pull nginx\ndocker start web\n")
    assert diffs(mutants, coarse=True) == ["-docker pull nginx", "-docker start web"]


def test_answer_loses_words_options_and_order_and_gets_other_names_and_numbers() -> None:
    found = [
        mutant.source.splitlines()[0]
        for mutant in of_answer("a", "docker run --name db -p 80:8080 redis\nFROM x:1.0\n")
    ]
    assert "docker run -p 80:8080 redis" in found
    assert "docker run --name -p 80:8080 redis" in found
    assert "docker run --name db -p 80:8081 redis" in found
    assert "docker run --name db -p 80:8080 redisx" in found
    assert "FROM x:1.0" in found


def test_words_in_quotes_stay_together() -> None:
    found = [mutant.source for mutant in of_answer("a", "sh -c 'echo hi'\n")]
    assert found == ["\n", "-c 'echo hi'\n", "sh 'echo hi'\n", "sh \n", "sh -c \n"]


def test_short_run_silences_each_check() -> None:
    assert sorted(diffs(of_code("c", CELL), coarse=True)) == [
        '-raise CheckFailed("found", "expected", "try")\n+pass',
        "-web.must_be_running(for_seconds=2, within_seconds=9)\n+pass",
        "-web.must_have_exited(None)\n+pass",
    ]


def test_check_looks_for_less_or_for_the_opposite() -> None:
    found = [mutant.source for mutant in of_code("c", CELL)]
    assert any("(web.exists)" in text and "running" not in text.splitlines()[1] for text in found)
    assert any("if not (not (web.exists and web.running)):" in text for text in found)
    assert any("web.must_have_exited(0)" in text for text in found)
    assert all(
        "for_seconds=2, within_seconds=9" in text for text in found if "must_be_running" in text
    )


def test_a_mutant_names_its_place() -> None:
    mutant = next(
        mutant for mutant in of_code("01: web-test", CELL) if "must_have_exited(0)" in mutant.source
    )
    assert str(mutant).splitlines() == [
        "01: web-test, line 5:",
        "    -web.must_have_exited(None)",
        "    +web.must_have_exited(0)",
    ]


def test_statement_is_the_smallest_around_a_line() -> None:
    assert statement(CELL, 3) == range(3, 4)
    assert statement("f(\n 1,\n 2)\n", 2) == range(1, 4)


def test_broken_checks_are_still_python() -> None:
    for mutant in broken_checks():
        compile(mutant.source, mutant.where, "exec")


def test_reviewed_mutants_exist_and_have_a_reason() -> None:
    in_exercises = [
        mutant
        for exercise in EXERCISES
        for mutant in (*broken_answers(exercise), *broken_cells(exercise))
    ]
    known = {(mutant.where, mutant.diff) for mutant in (*in_exercises, *broken_checks())}
    assert [key for key in reasons() if key not in known] == []
    assert all(reason.strip() for reason in reasons().values())
