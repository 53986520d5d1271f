"""Each attack earns what an honest hand-in with the same answers earns, and changes nothing outside
its sandbox.
"""

from collections.abc import Callable

import pytest
from nbgrader.api import Gradebook

from ..conftest import GAINED
from .attack import ATTEMPTED, SUCCEEDED, TRIALS, Attack
from .conftest import HONEST, HONEST_ELSEWHERE, SECRET, Class
from .suite import ATTACKS, ITEMS, the_class

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(1800)]
RUN = [attack for attack in ATTACKS if "malformed" not in attack.reason]


def each(attacks: list[Attack]) -> pytest.MarkDecorator:
    """A test of each of these."""
    marked = [
        pytest.param(one, marks=pytest.mark.proves(ITEMS[one.name]), id=one.name) for one in attacks
    ]
    return pytest.mark.parametrize("attack", marked)


each_attack = each(ATTACKS)


@each_attack
def test_attack_earns_what_is_honest(
    attack: Attack, graded: Class, record_property: Callable[[str, object], None]
) -> None:
    result = graded.results[attack.student]
    trial = TRIALS[attack.trial]
    earned = {test: check.points for test, check in zip(trial.earned, result.checks, strict=False)}
    record_property(GAINED, (attack.name, result.points - sum(attack.earned.values())))
    assert earned == attack.earned, [check.message for check in result.checks]
    assert result.reason in attack.reason, result.notes
    assert result.max_points == trial.max_points
    assert any(attack.note in note for note in ["", *result.notes]), result.notes
    for test, message in attack.says.items():
        assert message in result.checks[list(trial.earned).index(test)].message


@each(RUN)
def test_attack_was_made_and_got_at_nothing(attack: Attack, graded: Class) -> None:
    shown = graded.shown(attack.student)
    assert SUCCEEDED not in shown
    if attack.expects_attempt:
        assert ATTEMPTED in shown


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.name)
def test_honest_students_among_them_lose_nothing(honest: Attack, graded: Class) -> None:
    result = graded.results[honest.student]
    assert (result.points, result.reason, result.notes) == (10, None, [])


@pytest.mark.parametrize("honest", HONEST_ELSEWHERE, ids=lambda honest: honest.name)
def test_honest_students_of_other_trials_lose_nothing(honest: Attack, graded: Class) -> None:
    result = graded.results[honest.student]
    assert (result.points, result.reason, result.notes) == (
        TRIALS[honest.trial].max_points,
        None,
        [],
    )


@the_class
def test_nothing_outside_has_changed(graded: Class) -> None:
    assert graded.after == graded.before
    assert graded.left == []
    assert graded.visits == 0


@the_class
def test_gradebook_holds_each_students_own_points_and_nothing_else(graded: Class) -> None:
    with Gradebook(graded.course.db_url) as gradebook:
        held = {
            one.student.id: one.score
            for trial in TRIALS
            for one in gradebook.assignment_submissions(trial)
        }
        assert {found.name: found.max_score for found in gradebook.assignments} == {
            name: trial.max_points for name, trial in TRIALS.items()
        }
    assert held == {
        student: result.points for student, result in graded.results.items() if result.graded
    }


@the_class
def test_nobodys_work_is_on_anothers_page(graded: Class) -> None:
    assert [student for student in graded.results if SECRET in graded.page(student)] == []
