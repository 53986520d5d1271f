"""Checks of containers that are in no state for them, and of what the engine refuses: told as the
student's to repair.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from grader import container
from grader.checks.execution import execute

from .test_containers import SLEEP, Start, failure

pytestmark = pytest.mark.engine


def test_answer_is_asked_of_a_running_container_alone(
    docker: Callable[..., str], start: Start, free_port: int
) -> None:
    web = container(start("-p", f"{free_port}:80", "nginx:alpine"))
    docker("stop", "-t", "0", web.name)
    assert (
        "is not running"
        in failure(web.must_answer, f"http://localhost:{free_port}", within_seconds=1).found
    )


def test_path_alone_needs_a_published_port(start: Start) -> None:
    told = failure(container(start("nginx:alpine")).must_answer, "/")
    assert "none of its ports is published" in told.found
    assert "-p HOST_PORT:CONTAINER_PORT" in told.hint


def test_running_container_has_not_exited(start: Start) -> None:
    web = container(start(*SLEEP))
    told = failure(web.must_have_exited, 3, within_seconds=0)
    assert (told.found, told.expected) == (
        f"`{web.name}` is running.",
        f"`{web.name}` exited with code 3.",
    )


def test_restart_while_it_is_watched_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    web, counts = container(start(*SLEEP)), iter(range(100))
    monkeypatch.setattr(type(web), "restart_count", property(lambda _: next(counts)))
    assert (
        "was restarted while the check watched it"
        in failure(web.must_be_running, for_seconds=1).found
    )


def test_crash_needs_a_running_container(docker: Callable[..., str], name: str) -> None:
    docker("create", "--name", name, *SLEEP)
    assert "never started" in failure(container(name).must_survive_crash, within_seconds=0).found


def test_container_that_cannot_be_restarted_is_the_students_to_repair(
    docker: Callable[..., str], name: str
) -> None:
    docker("create", "--name", name, "busybox", "no-such-program")
    assert "could not be restarted: " in failure(container(name).must_survive_restart).found


def test_command_that_the_engine_refuses_is_the_students_to_repair(
    docker: Callable[..., str], start: Start
) -> None:
    web = container(start(*SLEEP))
    docker("pause", web.name)
    assert "could not be started" in failure(execute, web.id, web.name, ["true"], 5).found
    docker("unpause", web.name)


def test_command_in_a_container_that_has_ended_is_not_waited_for(
    docker: Callable[..., str], start: Start
) -> None:
    web = container(start(*SLEEP))
    docker("kill", web.name)
    began = time.monotonic()
    assert "is not running" in failure(web.must_run, "true", within_seconds=30).found
    assert time.monotonic() - began < 15
