"""Each sandbox has users of its own: what the kernel counts by user, none uses up for another."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import docker
import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox import docker as sandboxes
from grader.sandbox.channel import Kernel
from grader.sandbox.docker import LABEL, ROLES, DockerSandbox
from grader.sandbox.interface import SandboxError, SandboxLimits
from lab.inside.users import Users
from lab.machine import containers
from lab.machine.host import ensure_engine

pytestmark = [pytest.mark.grading, pytest.mark.timeout(300)]
PROGRAM = (Path(__file__).parent / "by_user.py").read_text()
KERNEL = "python by_user.py"
# by the number in the container: its root, and somebody else
CONTAINERS = [
    f"docker run --init --user {user} -v $PWD:/w:ro python python /w/by_user.py" for user in (0, 5)
]
STUDENTS = [KERNEL, *CONTAINERS]
SET_UID_AND_GID = 1 << 6 | 1 << 7  # CAP_SETGID, CAP_SETUID


@pytest.fixture(scope="module")
def client() -> docker.DockerClient:
    return ensure_engine()


@pytest.fixture(scope="module")
def pair(client: docker.DockerClient) -> Iterator[tuple[DockerSandbox, DockerSandbox]]:
    image = ensure_sandbox_image(client)
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(DockerSandbox(client, image, SandboxLimits())) for _ in range(2)
        )
        for kernel in (one.student, one.checker, other.student, other.checker):
            told(kernel, f"open('by_user.py', 'w').write({PROGRAM!r})")
        yield one, other


def told(kernel: Kernel, code: str) -> str:
    reply = kernel.run(code, 60)
    assert reply.status == "ok", reply
    return "".join(output.get("text", "") for output in reply.outputs)


def refused(kernel: Kernel, command: str) -> dict[str, str]:
    """What the program was refused, by resource; it may go on."""
    options = "shell=True, stdout=subprocess.PIPE, text=True"
    start = f"import subprocess; going = subprocess.Popen({command!r}, {options})"
    found: dict[str, str] = json.loads(told(kernel, f"{start}; print(going.stdout.readline())"))
    return found


def test_what_one_has_used_up_is_there_for_the_other(
    pair: tuple[DockerSandbox, DockerSandbox],
) -> None:
    greedy, beside = pair
    for command in STUDENTS:
        assert all(refused(greedy.student, f"{command} take").values())
    # nor does a student use it up for their own checker
    assert not any(refused(greedy.checker, f"{KERNEL} try").values())
    assert all(refused(greedy.checker, f"{KERNEL} take").values())
    for command in STUDENTS:
        assert not any(refused(beside.student, f"{command} try").values())
    assert not any(refused(beside.checker, f"{KERNEL} try").values())


def test_no_process_of_an_engine_is_root_or_can_have_its_rights(
    client: docker.DockerClient, pair: tuple[DockerSandbox, DockerSandbox]
) -> None:
    sandbox = pair[0]
    engine = client.containers.get(sandbox.container("engine"))
    command = ["sh", "-c", "cat /proc/[1-9]*/status"]
    status = containers.run(engine, command, user=str(sandbox.users.student)).text
    fields = [line.partition(":")[::2] for line in status.splitlines()]
    names = {value.strip() for name, value in fields if name == "Name"}
    assert {"tini", "dockerd", "containerd", "slirp4netns"} <= names
    owners = {int(one) for name, value in fields if name == "Uid" for one in value.split()}
    assert owners <= everyone(sandbox.users)
    # those that came later have all rights in the engine's user namespace, and none outside of it
    first_bound = next(value for name, value in fields if name == "CapBnd")
    assert int(first_bound, 16) == SET_UID_AND_GID


def test_those_of_two_have_no_id_in_common(pair: tuple[DockerSandbox, DockerSandbox]) -> None:
    one, other = (everyone(sandbox.users) for sandbox in pair)
    assert one.isdisjoint(other)


def test_users_are_given_once_while_their_sandbox_lives(
    client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ensure_sandbox_image(client)
    with DockerSandbox(client, image, SandboxLimits()) as first:
        monkeypatch.setattr(sandboxes, "RANGES", (first.users,))
        second = DockerSandbox(client, image, SandboxLimits())
        with pytest.raises(SandboxError, match="ranges of user ids are taken"), second:
            pass
        found = {"label": f"{LABEL}={second.id}"}
        assert client.containers.list(all=True, filters=found) == []
        assert client.volumes.list(filters=found) == []
        assert "SandboxError: All 1 ranges" in in_another_process(first.users)
        assert all(first.container(role) for role in ROLES)
        assert first.runs()
    with DockerSandbox(client, image, SandboxLimits()) as third:
        assert third.users == first.users


def in_another_process(users: Users) -> str:
    """The last line that another grader prints, which could have no other users than these."""
    code = (
        "from grader.run.local import ensure_sandbox_image\n"
        "from grader.sandbox import docker\n"
        "from grader.sandbox.interface import SandboxLimits\n"
        "from lab.inside.users import Users\n"
        "from lab.machine.host import ensure_engine\n"
        f"docker.RANGES = ({users!r},)\n"
        "client = ensure_engine()\n"
        "docker.DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits()).__enter__()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1]


def everyone(users: Users) -> set[int]:
    return {users.student, users.checker, *range(users.subordinate, users.subordinate + 65536)}
