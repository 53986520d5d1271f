"""The guard in a real sandbox: the student's side works as Docker does, and no request, however it
is written, reaches out of the engine.
"""

import json
from collections.abc import Iterator

import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.machine.host import ensure_engine

from .shells import shell as ask

pytestmark = [pytest.mark.grading, pytest.mark.timeout(300)]
# Raw bytes to the student's socket, as any program of a student could send them; the answer's head
# and body as text.
SPEAK = r"""
import json, socket
def speak(data, then=b""):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect("/sockets/student/docker.sock")
        s.sendall(data if isinstance(data, bytes) else data.encode())
        answer = b""
        try:
            while piece := s.recv(65536):
                answer += piece
        except OSError:
            pass
    return answer.decode(errors="replace")
def create(body, *headers, path="/v1.45/containers/create"):
    head = [f"POST {path} HTTP/1.1", "Host: docker", *headers, f"Content-Length: {len(body)}"]
    return speak("\r\n".join([*head, "", body]))
HOST = {"Privileged": True, "Binds": ["/:/host"]}
BAD = json.dumps({"Image": "busybox", "Cmd": ["ls", "/host"], "HostConfig": HOST})
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DockerSandbox]:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits()) as made:
        assert made.student.run(SPEAK, 20).status == "ok"
        yield made


def shell(sandbox: DockerSandbox, script: str, seconds: float = 90) -> str:
    """What a script of the student prints, its errors with it."""
    options = (
        "stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True"
    )
    code = f"import subprocess; print(subprocess.run(['bash', '-c', {script!r}], {options}).stdout)"
    reply = sandbox.student.run(code, seconds)
    assert reply.status == "ok", reply
    return "".join(output.get("text", "") for output in reply.outputs)


def value(sandbox: DockerSandbox, expression: str) -> str:
    reply = sandbox.student.run(f"print({expression})", 60)
    assert reply.status == "ok", reply
    return "".join(output.get("text", "") for output in reply.outputs)


def containers(sandbox: DockerSandbox) -> list[dict[str, object]]:
    """All containers, as the checker sees them."""
    listing = (
        "import docker, json; print(json.dumps([c.attrs for c in"
        " docker.from_env().containers.list(all=True)]))"
    )
    reply = sandbox.checker.run(listing, 30)
    return list(json.loads("".join(output["text"] for output in reply.outputs)))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo typed | docker run --rm -i busybox cat", "typed"),
        ("docker run --rm -v $PWD/site:/site busybox cat /site/link", "page"),
        (
            (
                "docker run --rm --mount type=bind,source=$PWD/site,target=/s,readonly busybox cat"
                " /s/index.html"
            ),
            "page",
        ),
        (
            (
                "docker run -d --name web -p 8080:80 nginx >/dev/null; sleep 1; curl -s"
                " localhost:8080 | head -1"
            ),
            "<!",
        ),
        ("docker exec web echo inside; docker logs web | tail -1; docker rm -f web", "inside"),
        (
            (
                "printf 'FROM busybox\nRUN echo built > /b\nCMD cat /b' | docker build -q -t me/b -"
                " && docker run --rm me/b"
            ),
            "built",
        ),
        (
            (
                "printf 'FROM busybox\nRUN echo old > /b\nCMD cat /b' | DOCKER_BUILDKIT=0 docker"
                " build -q -t me/c - && docker run --rm me/c"
            ),
            "old",
        ),
        (
            (
                "printf '# syntax=docker/dockerfile:1\nFROM busybox\nRUN echo $((40+2)) framed' >"
                " Dockerfile; docker build --progress plain . 2>&1"
            ),
            "42 framed",
        ),
        (
            (
                "echo 'services: {one: {build: .}}' > compose.yaml;"
                " docker compose --progress plain build --no-cache 2>&1"
            ),
            "42 framed",
        ),
        ("docker save me/b | docker load", "Loaded image: me/b:latest"),
        (
            (
                "docker create --name box busybox; docker cp site/index.html box:/tmp/p; docker cp"
                " box:/tmp/p - | tar -xO"
            ),
            "page",
        ),
        (
            (
                "docker network create net; docker run --rm --network net busybox echo on the"
                " network; docker network rm net"
            ),
            "on the network",
        ),
        (
            (
                "docker run --rm -v data:/d busybox touch /d/x; docker run --rm -v data:/d busybox"
                " ls /d"
            ),
            "x",
        ),
        (
            (
                "docker run -d --name sdk busybox sleep 60 >/dev/null; python3 -c 'import docker;"
                ' print(docker.from_env().containers.get("sdk").exec_run("echo by the'
                " SDK\").output)'; docker rm -f sdk"
            ),
            "by the SDK",
        ),
        ("docker pull no-such-image", "pull access denied for no-such-image"),
        (
            (
                "timeout 3 docker logs -f $(docker run -d busybox sh -c 'for i in 1 2 3; do echo"
                " tick $i; sleep 0.3; done')"
            ),
            "tick 3",
        ),
        (
            (
                "(sleep 1; docker run --rm busybox true) & timeout 4 docker events --filter"
                " event=die; wait"
            ),
            "container die",
        ),
        (
            (
                "docker compose -f compose.yaml up -d; docker compose ps --format '{{.Name}}';"
                " docker compose down -v"
            ),
            "work-one-1",
        ),
    ],
)
def test_ordinary_work_is_not_hindered(sandbox: DockerSandbox, script: str, expected: str) -> None:
    compose = "services: {one: {image: nginx, volumes: ['./site:/site']}}"
    ready = (
        "cd /home/student/work; mkdir -p site; echo page > site/index.html; ln -sf index.html"
        f' site/link; echo "{compose}" > compose.yaml; '
    )
    assert expected in shell(sandbox, ready + script).replace("\r", "")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("docker run --rm --privileged busybox true", "--privileged is not available in grading"),
        ("docker run --rm -v /:/host busybox ls /host", "cannot be mounted in grading"),
        ("docker run --rm -v /sockets/checker:/s busybox ls /s", "cannot be mounted in grading"),
        ("docker run --rm --pid host busybox ps", "not available in grading"),
        ("docker run --rm --network host busybox true", "publish the port with -p"),
        (
            "docker run --rm --security-opt seccomp=unconfined busybox true",
            "not available in grading",
        ),
        (
            "docker run --rm --security-opt systempaths=unconfined busybox true",
            "not available in grading",
        ),
        ("docker run --rm --cap-add ALL busybox true", "not available in grading"),
        ("docker run --rm --device /dev/net/tun busybox true", "not available in grading"),
        (
            "docker volume create --opt type=none --opt o=bind --opt device=/ all",
            "could mount anything",
        ),
        (
            (
                "docker run -d --name e1 busybox sleep 60 >/dev/null; docker exec --privileged e1"
                " true; docker rm -f e1"
            ),
            "docker exec --privileged",
        ),
        ("docker swarm init", "Swarm"),
        ("docker plugin install x", "not available in grading"),
        ("printf 'FROM busybox' | docker build --network host -", "network.host is not allowed"),
        ("printf 'FROM busybox\nRUN --security=insecure true' | docker build -", "insecure"),
        (
            "printf 'FROM busybox' | DOCKER_BUILDKIT=0 docker build --network host -",
            "not available in grading",
        ),
        (
            (
                "printf 'services: {a: {image: busybox, privileged: true}}' | docker compose -p c"
                " -f - up"
            ),
            "--privileged",
        ),
    ],
)
def test_ways_out_are_refused_with_a_reason(sandbox: DockerSandbox, script: str, said: str) -> None:
    assert said in shell(sandbox, f"cd /home/student/work; {script}").replace("\n", "")


@pytest.mark.parametrize(
    "request_",
    [
        "create(BAD)",
        "create(BAD.replace('Privileged', 'privileged').replace('Binds', 'binds'))",
        "create(BAD, path='/containers/create')",
        "create(BAD, path='/v1.24/containers/create')",
        "create(BAD, path='/v1.45/containers/create?name=x')",
        # in chunks, the dangerous words torn apart
        (
            "speak('POST /containers/create HTTP/1.1\\r\\nHost: d\\r\\nTransfer-Encoding:"
            " chunked\\r\\n\\r\\n' + ''.join(f'1\\r\\n{c}\\r\\n' for c in BAD) + '0\\r\\n\\r\\n')"
        ),
        # two lengths: whoever believes the other one sees another request
        "create(BAD, 'Transfer-Encoding: chunked')",
        "create(BAD, 'Content-Length: 2')",
        "create(BAD, 'Transfer-Encoding: identity, chunked')",
        (
            "speak('POST /containers/create HTTP/1.1\\r\\nHost: d\\r\\nContent-Length :"
            " 2\\r\\n\\r\\n' + BAD)"
        ),
        # a second request behind the first
        (
            "speak('GET /_ping HTTP/1.1\\r\\nHost: d\\r\\n\\r\\nPOST /containers/create"
            " HTTP/1.1\\r\\nHost: d\\r\\nContent-Type: application/json\\r\\nContent-Length:"
            " %d\\r\\n\\r\\n%s' % (len(BAD), BAD))"
        ),
        (
            "speak('GET /_ping HTTP/1.1\\r\\nHost: d\\r\\nConnection: Upgrade\\r\\nUpgrade:"
            " tcp\\r\\n\\r\\nPOST /containers/create HTTP/1.1\\r\\nHost: d\\r\\nContent-Type:"
            " application/json\\r\\nContent-Length: %d\\r\\n\\r\\n%s' % (len(BAD), BAD))"
        ),
        (
            "speak('GET /_ping HTTP/1.1\\r\\nHost: d\\r\\nX: 1\\r\\n POST /containers/create"
            " HTTP/1.1\\r\\n\\r\\n')"
        ),
        (
            "speak('POST /containers/create HTTP/1.1\\nHost: d\\nContent-Length: %d\\n\\n%s' %"
            " (len(BAD), BAD))"
        ),
        "speak('POST /containers/create HTTP/1.0\\r\\n\\r\\n' + BAD)",
        "speak(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n')",
        "speak(b'\\x16\\x03\\x01' + b'x' * 1000)",
        "speak('GET /' + 'x' * 200_000)",
    ],
)
def test_no_way_of_writing_a_request_gets_past(sandbox: DockerSandbox, request_: str) -> None:
    before = containers(sandbox)
    value(sandbox, f"{request_}[:300]")
    assert containers(sandbox) == before
    assert "API version" in shell(sandbox, "docker version"), "the guard still answers"


def test_a_link_that_is_turned_at_the_right_moment_leads_nowhere(sandbox: DockerSandbox) -> None:
    """The folder that is asked for becomes a link to the root of the engine's container, again and
    again, while it is being mounted.
    """
    script = """
cd /home/student/work; rm -rf swap real; mkdir real; ln -s / out
python3 - <<'END' &
import os, time
end = time.time() + 20
while time.time() < end:
    for target in ("real", "out"):
        os.rename(target, "swap"); time.sleep(0.002); os.rename("swap", target)
END
for i in $(seq 12); do docker run --rm -v $PWD/swap:/x busybox ls /x; done
docker create --name far -v $PWD/swap:/x busybox
for i in $(seq 12); do docker cp far:/x/sockets - ; docker cp far:/x/data - ; done
docker rm -f far; wait; rm -rf swap real out
"""
    said = shell(sandbox, script)
    assert "overlay2" not in said
    assert "sockets" not in said.replace("/x/sockets", "").replace("file sockets in container", "")
    assert "Error response from daemon" in said, (
        "the link was there when the engine looked, at least once"
    )


INTO_A_CHECKS = [
    "docker exec {} true",
    "docker stop -t 0 {}",
    "docker rm -f {}",
    "docker cp site {}:/tmp",
    "docker rename {} mine",
    "docker commit {} taken",
    "docker network disconnect bridge {}",
    "docker run --rm --pid container:{} busybox ps",
    "docker run --rm --network container:{} busybox true",
    "docker run --rm --volumes-from {} busybox true",
]


def test_a_checks_own_container_is_the_checks_alone(sandbox: DockerSandbox) -> None:
    make = "docker run -d --name check-1 --label grader.alone=true busybox sleep 600"
    made = ask(sandbox.checker, make).strip()
    for name in ("check-1", made, made[:7]):
        for line in INTO_A_CHECKS:
            said = shell(sandbox, f"mkdir -p site; {line.format(name)} 2>&1")
            assert "belongs to a check" in said, (line, said)
    assert "check-1" in shell(sandbox, f"docker inspect -f '{{{{.Name}}}}' {made[:7]}")
    assert "running" in ask(
        sandbox.checker, "docker inspect -f '{{.State.Status}}' check-1; docker rm -f check-1"
    )


def test_what_a_check_makes_in_grading_is_marked_as_its_own(sandbox: DockerSandbox) -> None:
    code = """
from grader.checks.container.facts import inspect_image
from grader.checks.engine import engine
from grader.checks.throwaway import created
with created(inspect_image("busybox")["Id"], "busybox", ["true"]) as made:
    print(engine().inspect_container(made)["Config"]["Labels"])
"""
    reply = sandbox.checker.run(code, 30)
    assert "grader.alone" in "".join(str(output.get("text")) for output in reply.outputs), reply


def test_students_own_are_found_by_name_and_by_the_beginning_of_an_id(
    sandbox: DockerSandbox,
) -> None:
    script = (
        "docker run -d --name cafe busybox sleep 600 > id; docker exec cafe echo by name;"
        " docker exec $(cut -c-5 id) echo by id; docker run --rm --pid container:$(cut -c-5 id)"
        " busybox ps | grep -c sleep; docker stop -t 0 cafe; docker rm $(cut -c-9 id) > /dev/null;"
        " docker rm cafe; docker exec c0ffee true; docker rm -f c0ffee && echo nothing to remove"
    )
    assert shell(sandbox, script).strip().splitlines() == [
        "by name",
        "by id",
        "1",
        "cafe",
        "Error response from daemon: No such container: cafe",
        "Error response from daemon: No such container: c0ffee",
        "Error response from daemon: No such container: c0ffee",
        "nothing to remove",
    ]


def test_the_student_cannot_reach_the_guard_or_the_engine_by_other_ways(
    sandbox: DockerSandbox,
) -> None:
    said = shell(
        sandbox,
        "ls /sockets; ls /sockets/checker; ls /data; ps ax; docker run --rm busybox ps; ss -xl"
        " 2>/dev/null | grep -c '@'",
    )
    assert "dockerd" not in said
    assert "containerd" not in said
    assert "guard" not in said
    shell(
        sandbox,
        "rm -f /sockets/student/docker.sock; ln -s /sockets/checker/docker.sock"
        " /sockets/student/docker.sock",
    )
    assert "docker version" not in shell(sandbox, "docker ps").splitlines()
    assert isinstance(containers(sandbox), list), "the checker's way is another one"
