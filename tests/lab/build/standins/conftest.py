"""A `docker` for tests, as a person types it, and the removal of what the tests made."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

LABEL = "test=standins"


@dataclass(frozen=True)
class Said:
    """What a command said: exit status, stdout and stderr as one text, seconds."""

    status: int
    text: str
    seconds: float


Docker = Callable[..., Said]


def run_docker(*arguments: str, stdin: str = "") -> Said:
    began = time.monotonic()
    done = subprocess.run(
        ["docker", *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return Said(done.returncode, done.stdout, time.monotonic() - began)


@pytest.fixture
def docker() -> Docker:
    return run_docker


@pytest.fixture
def network() -> Iterator[str]:
    """A network of the test's own; it goes afterwards, with the label's containers and volumes."""
    made = run_docker("network", "create", "--label", LABEL, "standins")
    assert made.status == 0, made.text
    yield "standins"
    containers = run_docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").text.split()
    if containers:
        run_docker("rm", "--force", "--volumes", *containers)
    run_docker("network", "rm", "standins")


@pytest.fixture
def start(docker: Docker, network: str) -> Callable[..., None]:
    """start(NAME, ARGUMENTS...): `docker run --detach` on the network."""

    def start_one(name: str, *arguments: str) -> None:
        said = docker(
            "run", "--detach", "--name", name, "--network", network, "--label", LABEL, *arguments
        )
        assert said.status == 0, said.text

    return start_one


@pytest.fixture
def eventually() -> Callable[[Callable[[], Said], str], Said]:
    """eventually(COMMAND, TEXT): the first success that says TEXT, within 20 seconds."""

    def wait(command: Callable[[], Said], text: str) -> Said:
        deadline = time.monotonic() + 20
        while (said := command()).status or text not in said.text:
            assert time.monotonic() < deadline, f"{text!r} never came; the last answer: {said}"
            time.sleep(0.2)
        return said

    return wait
