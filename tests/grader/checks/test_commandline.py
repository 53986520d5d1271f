"""The `docker run` line of a container: run again, it makes the same container."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from grader.checks.commandline import run_command
from grader.checks.container.facts import inspect_image
from grader.checks.engine import engine

pytestmark = pytest.mark.engine


def line_of(name: str) -> str:
    info = engine().inspect_container(name)
    return run_command(info, inspect_image(info["Image"])).line()


@pytest.mark.parametrize(
    "options",
    [
        ["busybox", "sleep", "600"],
        ["-it", "busybox"],
        ["--init", "--rm", "--read-only", "-u", "1000", "-w", "/tmp", "busybox", "sleep", "600"],
        [
            "-p",
            "127.0.0.1:0:80",
            "-e",
            "A=two words",
            "-e",
            "B=it's",
            "-e",
            "C=a\nb",
            "nginx:alpine",
        ],
        [
            "-v",
            "/etc:/host:ro",
            "-v",
            "/anonymous",
            "-m",
            "1g",
            "--pids-limit",
            "99",
            "busybox",
            "sleep",
            "600",
        ],
        [
            "--restart",
            "on-failure:2",
            "--label",
            "a=b",
            "--network",
            "none",
            "nginx:alpine",
            "nginx",
            "-g",
            "daemon off;",
        ],
        ["--entrypoint", "sh", "busybox", "-c", "sleep 600; echo 'done'"],
    ],
    ids=lambda options: " ".join(options[:2]),
)
def test_line_makes_the_same_container_again(
    docker: Callable[..., str], start: Callable[..., str], options: list[str]
) -> None:
    name = start(*options)
    line, before = line_of(name), engine().inspect_container(name)
    docker("rm", "-fv", name)
    docker(*_typed(line)[1:])
    after = engine().inspect_container(name)
    assert _made_with(after) == _made_with(before)
    assert line_of(name) == line


def _typed(line: str) -> list[str]:
    """The words as bash reads them."""
    printed = subprocess.check_output(["bash", "-c", f"printf '%s\\0' {line}"], text=True)
    return printed.split("\0")[:-1]


def _made_with(info: dict[str, Any]) -> dict[str, Any]:
    config = {
        key: info["Config"][key]
        for key in ("Cmd", "Entrypoint", "Env", "Labels", "User", "WorkingDir", "Tty", "OpenStdin")
    }
    # the engine keeps variables in an order of its own, another one each time
    config["Env"] = sorted(config["Env"])
    host = {
        key: info["HostConfig"].get(key)
        for key in (
            "PortBindings",
            "Memory",
            "PidsLimit",
            "RestartPolicy",
            "NetworkMode",
            "AutoRemove",
            "Init",
            "ReadonlyRootfs",
        )
    }
    return {
        **config,
        **host,
        "Mounts": sorted((m["Type"], m["Destination"], m["RW"]) for m in info["Mounts"]),
    }


def test_what_comes_from_the_image_is_left_out(start: Callable[..., str]) -> None:
    name = start("-e", "MODE=dev", "nginx:alpine")
    assert line_of(name) == shlex.join(
        [
            "docker",
            "run",
            "-d",
            "--name",
            name,
            "-e",
            "MODE=dev",
            "--label",
            "course.tests=checks",
            "nginx:alpine",
        ]
    )


def test_line_is_the_same_in_whatever_order_the_engine_keeps_variables(
    start: Callable[..., str],
) -> None:
    info = engine().inspect_container(
        start("-e", "A=1", "-e", "B=2", "-e", "C=3", "busybox", "sleep", "600")
    )
    other_way_round = {**info, "Config": {**info["Config"], "Env": info["Config"]["Env"][::-1]}}
    image = inspect_image(info["Image"])
    assert run_command(other_way_round, image).line() == run_command(info, image).line()
