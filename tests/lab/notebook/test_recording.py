"""When a recording is complete."""

from typing import Any
from unittest.mock import Mock

import pytest

from lab.notebook.recording import Event, _agrees


def agrees(*actions: str, running: bool) -> bool:
    state = {"Running": running, "Status": "running" if running else "exited"}
    found: dict[str, Any] = {"State": state, "HostConfig": {}}
    client = Mock(**{"api.inspect_container.return_value": found})
    return _agrees(
        client, "1", [Event(0, "container", action, "web", container_id="1") for action in actions]
    )


@pytest.mark.parametrize("before", [("kill",), ("kill", "kill", "stop"), ("create", "start")])
def test_a_container_that_ended_needs_its_end_in_the_recording(before: tuple[str, ...]) -> None:
    assert not agrees(*before, running=False)
    assert agrees(*before, "die", running=False)


def test_a_signal_that_ends_nothing_is_complete() -> None:
    assert agrees("kill", running=True)


def test_a_container_that_had_ended_before_is_complete() -> None:
    assert agrees("rename", running=False)
