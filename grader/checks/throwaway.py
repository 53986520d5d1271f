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
from grader.checks.references import genuine_id, in_grading
from grader.checks.verdict import CheckFailed, listed, quoted

LABELS = {"grader.throwaway": "true"}
# In grading the guard keeps everybody else out of them. Elsewhere a check has the student's own
# way to the engine.
ALONE = {"grader.alone": "true"}
MEMORY_LIMIT = "256m"
PIDS_LIMIT = 128
TOOL_IMAGES = ("busybox", "alpine")


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
    program: str | None = None,
) -> Iterator[str]:
    """A container that is created and not started; its id, since names can be given to others. It
    is removed, with its anonymous volumes, at the end.

    `program` takes the place of the image's entrypoint, in a file system that nobody can change.
    """
    port = Publish.parse(publish) if publish else None
    try:
        with transport():
            host_config = engine().create_host_config(
                mem_limit=MEMORY_LIMIT,
                pids_limit=PIDS_LIMIT,
                network_mode=network,
                pid_mode=pid_mode,
                read_only=program is not None,
                binds=volumes or None,
                port_bindings={port.container_port: port.host_port} if port else None,
            )
            made = engine().create_container(
                image_id,
                command=args or None,
                entrypoint=[program] if program else None,
                name=f"check-{secrets.token_hex(8)}",
                labels=LABELS | (ALONE if in_grading() else {}),
                environment=env or None,
                ports=[tuple(port.container_port.split("/"))] if port else None,
                volumes=[MountSpec.parse(spec).target for spec in volumes or []] or None,
                host_config=host_config,
            )
    except APIError as error:
        raise cannot_start(ref, error) from None
    try:
        yield str(made["Id"])
    finally:
        remove(str(made["Id"]))


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


def run(
    images: tuple[str, ...],
    argv: list[str],
    *,
    network: str = "none",
    pid_mode: str | None = None,
    env: list[str] | None = None,
    within_seconds: float = 10,
) -> ExecResult:
    """What a program of a course image does: the first of these images that is here, so that no
    program of a student's has a say.
    """
    # by its id: a student may have moved or removed the tag
    wanted = ((ref, inspect_image(genuine_id(ref) or ref)) for ref in images)
    found = next(((ref, info["Id"]) for ref, info in wanted if info), None)
    if found is None:
        # a sandbox begins with all of them, so this is no failure of ours
        raise CheckFailed(
            f"The image {quoted(images[0])} is not on this engine."
            if len(images) == 1
            else f"None of the images {listed(list(images))} is on this engine.",
            "the images of the course: this check runs a program of one.",
            f"docker pull {images[0]}",
        )
    ref, image_id = found
    with created(
        image_id, ref, argv[1:], env=env, network=network, pid_mode=pid_mode, program=argv[0]
    ) as made:
        start(made, ref)
        return wait(made, ref, within_seconds)


def kill(pid: int) -> None:
    """Kills a process of the engine's machine from outside its container, where even process 1 of
    it is not safe.
    """
    run(TOOL_IMAGES, ["kill", "-KILL", str(pid)], pid_mode="host")


def user_ids(pid: int) -> list[int]:
    """The real, effective, saved and file system user id of a process of the engine's machine, as
    the kernel has them; empty if it has ended.
    """
    status = run(TOOL_IMAGES, ["cat", f"/proc/{pid}/status"], pid_mode="host").stdout
    line = next((line for line in status.splitlines() if line.startswith("Uid:")), "Uid:")
    return [int(number) for number in line.split()[1:]]


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
