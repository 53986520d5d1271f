"""Containers that a check makes for itself: bounded, labelled, and gone when the check is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docker.errors import APIError, NotFound

from grader.checks.commandline import MountSpec, Publish
from grader.checks.container.facts import inspect_image, read_log
from grader.checks.deadline import eventually
from grader.checks.engine import asking, engine, explanation, transport
from grader.checks.execution import ExecResult
from grader.checks.verdict import CheckFailed, EnvironmentProblem, listed, quoted

LABELS = {"grader.throwaway": "true"}
MEMORY_LIMIT = "256m"
PIDS_LIMIT = 128
KILLER_IMAGES = ("busybox", "alpine")


@contextmanager
def created(
    image_id: str,
    ref: str,
    args: list[str],
    publish: str | None = None,
    env: list[str] | None = None,
    volumes: list[str] | None = None,
    network: str | None = None,
    pid_mode: str | None = None,
) -> Iterator[str]:
    """A container that is created and not started; its name. It is removed, with its anonymous
    volumes, at the end.
    """
    name = f"check-{secrets.token_hex(4)}"
    port = Publish.parse(publish) if publish else None
    try:
        with transport():
            host_config = engine().create_host_config(
                mem_limit=MEMORY_LIMIT,
                pids_limit=PIDS_LIMIT,
                network_mode=network,
                pid_mode=pid_mode,
                binds=volumes or None,
                port_bindings={port.container_port: port.host_port} if port else None,
            )
            engine().create_container(
                image_id,
                command=args or None,
                name=name,
                labels=LABELS,
                environment=env or None,
                ports=[tuple(port.container_port.split("/"))] if port else None,
                volumes=[MountSpec.parse(spec).target for spec in volumes or []] or None,
                host_config=host_config,
            )
    except APIError as error:
        raise cannot_start(ref, error) from None
    try:
        yield name
    finally:
        remove(name)


def start(name: str, ref: str) -> None:
    """Starts it; an image whose program cannot be started is the student's to repair."""
    try:
        with asking():
            engine().start(name)
    except APIError as error:
        raise cannot_start(ref, error) from None


def wait(name: str, ref: str, within_seconds: float) -> ExecResult:
    """Its exit code and what it printed, once it has ended; `CheckFailed` if it runs on."""

    def look() -> int:
        state = _state(name, ref)
        if state["Status"] != "exited":
            raise CheckFailed(
                f"A container of {quoted(ref)} still runs after {within_seconds:g} s.",
                f"its command to end within {within_seconds:g} s.",
                f"docker run --rm {ref}",
            )
        return int(state["ExitCode"])

    exit_code = eventually(look, within_seconds)
    return ExecResult(exit_code, read_log(name, stderr=False), read_log(name, stdout=False))


def kill(pid: int) -> None:
    """Kills a process of the engine's machine from outside its container, where even process 1 of
    it is not safe.
    """
    found = next(((ref, info["Id"]) for ref in KILLER_IMAGES if (info := inspect_image(ref))), None)
    if found is None:
        raise EnvironmentProblem(
            f"None of the images {listed(list(KILLER_IMAGES))} is here.", "docker pull busybox"
        )
    # by its id: nothing of a student's may run beside the engine's own processes
    image, image_id = found
    with created(
        image_id, image, ["kill", "-KILL", str(pid)], network="none", pid_mode="host"
    ) as name:
        start(name, image)
        wait(name, image, 10)


def remove(name: str) -> None:
    """Removes it whatever it does; one that is gone already is no problem."""
    try:
        with transport():
            engine().remove_container(name, force=True, v=True)
    except (NotFound, APIError):
        pass


def _state(name: str, ref: str) -> dict[str, Any]:
    try:
        with asking():
            return dict(engine().inspect_container(name)["State"])
    except APIError as error:
        raise cannot_start(ref, error) from None


def cannot_start(ref: str, error: APIError) -> CheckFailed:
    """The engine refuses to run the image."""
    return CheckFailed(
        f"No container of {quoted(ref)} could be started: {explanation(error)}",
        "an image whose command exists in it.",
        f"docker run --rm {ref}",
    )
