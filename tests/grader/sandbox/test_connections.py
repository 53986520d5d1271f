"""Conversations with the guard in a real sandbox, in any order of pieces: the engine does nothing
that was not judged.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox.channel import Kernel
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.inside.guard.policy import ROUTES
from lab.machine.host import ensure_engine

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(400)]
TESTS = Path(__file__).parents[2]
CONVERSATIONS = TESTS / "lab" / "inside" / "guard" / "conversations.py"
SOCKET = "/sockets/student/docker.sock"
EACH = 120
# All that a conversation can meet is there: a container that runs, and one whose process waits.
LEAD = """
import concurrent.futures, subprocess
run = ["docker", "run", "-d", "-i", "--name", "web", "busybox", "cat"]
subprocess.run(run, capture_output=True)
ways = targets({routes!r}, {identity!r})
with concurrent.futures.ThreadPoolExecutor(10) as clients:
    meet = lambda seed: lead({socket!r}, conversation(seed, ways))
    said = list(clients.map(meet, range({count})))
print(sum(bool(one) for one in said), sum(b" 101 " in one for one in said))
"""
REFUSED = """
import json, socket
body = b'{"Detach":false,"Tty":false}'
stolen = json.dumps({"Image": "busybox", "HostConfig": {"Privileged": True}}).encode()
head = "POST %s HTTP/1.1\\r\\nHost: d\\r\\nContent-Type: application/json\\r\\n%s"
head += "Content-Length: %d\\r\\n\\r\\n"
create = "/v1.45/containers/create?name=stolen"
upgrade = "Connection: Upgrade\\r\\nUpgrade: tcp\\r\\n"
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(10)
    client.connect("/sockets/student/docker.sock")
    client.sendall((head % ("/v1.45/exec/none/start", upgrade, len(body))).encode() + body)
    print(client.recv(9999))
    try:
        client.sendall((head % (create, "", len(stolen))).encode() + stolen)
        print(client.recv(9999))
    except OSError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DockerSandbox]:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits()) as made:
        assert made.student.run(CONVERSATIONS.read_text(), 20).status == "ok"
        yield made


def printed(kernel: Kernel, code: str, seconds: float = 200) -> str:
    reply = kernel.run(code, seconds)
    assert reply.status == "ok", reply
    return "".join(output.get("text", "") for output in reply.outputs)


def containers(sandbox: DockerSandbox) -> list[dict[str, Any]]:
    """All containers in full, as the checker sees them."""
    listing = (
        "import docker, json; print(json.dumps([c.attrs for c in"
        " docker.from_env().containers.list(all=True)]))"
    )
    return list(json.loads(printed(sandbox.checker, listing)))


def require_nothing_stolen(sandbox: DockerSandbox) -> None:
    for one in containers(sandbox):
        assert "stolen" not in one["Name"]
        assert not one["HostConfig"]["Privileged"]
        assert not one["HostConfig"]["Binds"]


@pytest.mark.parametrize(
    ("which", "identity"), [("streams", "web"), ("streams", "none"), ("all", "web")]
)
def test_no_order_of_pieces_gets_past_the_guard(
    sandbox: DockerSandbox, which: str, identity: str
) -> None:
    routes = [(one.method, one.path.pattern) for one in ROUTES if one.upgrade or which == "all"]
    lead = LEAD.format(routes=routes, identity=identity, socket=SOCKET, count=EACH)
    answered, streams = map(int, printed(sandbox.student, lead).split())
    assert answered > EACH / 2
    assert streams > 0 or (which, identity) != ("streams", "web")
    require_nothing_stolen(sandbox)


def test_a_request_behind_a_refused_stream_is_never_read(sandbox: DockerSandbox) -> None:
    said = printed(sandbox.student, REFUSED)
    assert "No such exec instance" in said
    assert "201 Created" not in said
    require_nothing_stolen(sandbox)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo typed | docker run --rm -i busybox cat", "typed"),
        ("docker run --rm -i busybox cat </dev/null; echo ended", "ended"),
        ("(sleep 1; echo late) | docker exec -i box sh -c 'cat; echo after'", "late\nafter"),
        ("echo typed | docker start -ai once", "typed"),
        ("script -qc 'docker run --rm -it busybox tty' /dev/null", "/dev/pts/0"),
        ("timeout 5 docker attach --no-stdin ticks | head -2", "tick"),
        ("printf 'FROM busybox\nRUN echo made > /x' | docker build -q -", "sha256:"),
        ("docker buildx build -q - <<<'FROM busybox'; docker buildx du | tail -1", "Total"),
        (
            "printf 'services: {one: {image: busybox, command: echo composed}}' | docker compose -p"
            " c -f - up",
            "composed",
        ),
        (
            'python3 -c \'import docker; c = docker.from_env().containers.get("box");'
            ' print(c.exec_run("echo run").output, c.exec_run("echo demux", demux=True).output)\'',
            "b'run\\n' (b'demux\\n', None)",
        ),
        (
            "python3 - <<'END'\n"
            "import docker\n"
            "api = docker.from_env().api\n"
            'made = api.create_container("busybox", ["cat"], stdin_open=True)\n'
            "api.start(made)\n"
            'attached = api.attach_socket(made, {"stdin": 1, "stdout": 1, "stream": 1})._sock\n'
            'attached.sendall(b"by attach\\n")\n'
            "print(attached.recv(100)[8:])\n"
            "api.remove_container(made, force=True)\n"
            "END",
            "b'by attach\\n'",
        ),
        # without an upgrade, as old clients ask: its output, and nothing of the client's goes in
        (
            "curl -s --max-time 3 --unix-socket $SOCKET -X POST"
            " 'http://d/v1.45/containers/ticks/attach?stream=1&stdout=1' | grep -ao tick | head -1",
            "tick",
        ),
    ],
)
def test_clients_streams_work(sandbox: DockerSandbox, script: str, expected: str) -> None:
    ready = (
        f"export SOCKET={SOCKET}; cd /home/student/work; docker rm -f box once ticks; docker run -d"
        " --name box busybox sleep 600; docker create -i --name once busybox cat; docker run -d"
        " --name ticks busybox sh -c 'while true; do echo tick; sleep 0.2; done'"
    )
    shell = f"({ready}) >/dev/null 2>&1; {script}"
    code = (
        "import subprocess; print(subprocess.run(['bash', '-c',"
        f" {shell!r}.replace('$SOCKET', {SOCKET!r})], stdin=subprocess.DEVNULL,"
        " stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout)"
    )
    assert expected in printed(sandbox.student, code, 60).replace("\r", "")


def test_clients_that_leave_hold_no_connection(sandbox: DockerSandbox) -> None:
    """Of 64 at once: those whose client has gone, whatever the container does, are free again."""
    leave = """
import socket, subprocess
run = ["docker", "run", "-d", "-i", "--name", "silent", "busybox", "sleep", "600"]
subprocess.run(run, capture_output=True)
head = b"POST /v1.45/containers/silent/attach?stream=1&stdin=1 HTTP/1.1\\r\\nHost: d\\r\\n"
for _ in range(70):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect("/sockets/student/docker.sock")
        client.sendall(head + b"Connection: Upgrade\\r\\nUpgrade: tcp\\r\\n\\r\\n")
        assert b"101" in client.recv(4096)
print(subprocess.run(["docker", "ps", "-q"], capture_output=True, text=True, timeout=20).returncode)
"""
    assert printed(sandbox.student, leave).strip() == "0"
