"""Each attack again, with the one line of defence missing that stops it: now it has to gain, to get
at something, or to harm.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest
from nbconvert.exporters import HTMLExporter

from grader.course import Course
from grader.judging.results import Outcome
from grader.judging.work import Work, execute
from grader.run.local import ensure_sandbox_image
from grader.run.submission import Assignment, Submission
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxError
from lab.machine.host import ensure_engine

from ..suite.items import Item
from .attack import OBJECTS, PODS, SUCCEEDED, Attack
from .conftest import LIMITS, Listener, hand_in, release, shown_in
from .controls import CONTROLS, Control
from .suite import ATTACKS, ITEMS
from .test_pages import active, faults, in_formgrader
from .without import EscapedError, as_claimed

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(300)]
ATTACK = {attack.name: attack for attack in ATTACKS}
# The first attack of each line is tried in each run.
FIRST = {control.defence.name: name for name, control in reversed(CONTROLS.items())}


@dataclass(frozen=True)
class Place:
    """A course of the two trials, where sandboxes are made, and a port of the machine."""

    root: Path
    client: docker.DockerClient
    image: SandboxImage
    port: int

    def work(self, attack: Attack, control: Control) -> tuple[Work, tuple[str, ...]]:
        """What goes into the sandbox, and what is noted about it."""
        assignment = Assignment.open(Course(self.root), attack.trial)
        submission = Submission.read(assignment, attack.student)
        limits = replace(LIMITS, **control.defence.limits)
        if attack.trial in (PODS, OBJECTS):
            limits = replace(limits, cell_seconds=45, submission_seconds=90, check_seconds=40)
        repaired = submission.repaired(assignment)
        work = repaired.work(assignment, attack.trial, limits)
        if control.defence.unrepaired:
            notebook, cells = as_claimed(json.loads(submission.files[f"{attack.trial}.ipynb"]))
            return replace(work, notebook=notebook, cells=cells), ()
        return work, repaired.notes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    client = ensure_engine()
    root = tmp_path_factory.mktemp("controls") / "course"
    release(root)
    return Place(root, client, ensure_sandbox_image(client), Listener().port)


def each_control() -> Iterator[Any]:
    for name, control in CONTROLS.items():
        turn = "always" if FIRST[control.defence.name] == name else "by turns"
        item = Item("control", ITEMS[name].name, turn)  # type: ignore[arg-type]
        yield pytest.param(
            ATTACK[name],
            control,
            marks=pytest.mark.proves(item),
            id=f"{name}, without: {control.defence.name}",
        )


@pytest.mark.parametrize(("attack", "control"), list(each_control()))
def test_attack_succeeds_without_the_defence(
    attack: Attack, control: Control, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(place.root, [attack], place.port)
    control.defence.replace(monkeypatch)
    work, notes = place.work(attack, control)
    with DockerSandbox(place.client, place.image, work.limits, nodes=work.nodes) as sandbox:
        control.defence.open_up(place.client, sandbox)
        seen = _seen(attack, work, sandbox, notes)
    assert control.shows in seen


def _seen(
    attack: Attack, work: Work, sandbox: DockerSandbox, notes: tuple[str, ...]
) -> dict[str, Any]:
    """How the attack shows, each with what one sees."""
    try:
        executed = execute(work, sandbox)
        _recorded(executed.notebook, executed.outcome)
    except EscapedError as error:
        return {"gets": error}
    except (SandboxError, ValueError) as error:
        return {"harms": error}
    shown = shown_in(executed.notebook)
    seen = {
        "gains": _points(executed.outcome) - sum(attack.earned.values()),
        "gets": SUCCEEDED in shown,
        "acts": _active(executed.notebook),
        "misleads": faults(in_formgrader(executed.notebook)),
        "harms": _harmed(attack, executed.outcome, notes),
    }
    return {how: what for how, what in seen.items() if what} or {
        "nothing": (executed.outcome, shown[-2000:])
    }


def test_every_control_is_of_an_attack() -> None:
    assert set(CONTROLS) <= set(ATTACK)


def _points(outcome: Outcome) -> float:
    return sum(check.points for check in outcome.checks.values())


def _recorded(notebook: Any, outcome: Outcome) -> None:
    """As the grader writes it down. ValueError for what no file can hold."""
    nbformat.writes(notebook).encode()  # type: ignore[no-untyped-call]
    json.dumps(asdict(outcome), ensure_ascii=False).encode()


def _active(notebook: Any) -> list[str]:
    """As formgrader would show it without the course's own configuration."""
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)  # type: ignore[no-untyped-call]
    return active(body)


def _harmed(attack: Attack, outcome: Outcome, notes: tuple[str, ...]) -> bool:
    points = {test: check.points for test, check in outcome.checks.items()}
    messages = {test: check.message for test, check in outcome.checks.items()}
    told = "\n".join((*notes, *outcome.notes, *outcome.technical))
    return (
        points != attack.earned
        or outcome.reason not in attack.reason
        or attack.note not in told
        or any(text not in messages.get(test, "") for test, text in attack.says.items())
    )
