"""Had the guard a hole: what the checker believes is out of reach of the engine's own containers,
whatever they mount and whatever rights they have there.
"""

import json
from collections.abc import Iterator

import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.machine.host import ensure_engine

from .shells import shell

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(300)]
# Whatever an engine can give. (`--privileged` itself is more than a sandbox's engine can start.)
EVERYTHING = (
    "--cap-add ALL --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
    " --pid host --ipc host --uts host"
)
RIGHTS = {"none": "", "all": "--cap-add ALL", "host": EVERYTHING, "privileged": "--privileged"}
NO_SUCH_CONTAINER = "mount `sysfs` to `sys`: Operation not permitted"
# What gets at the folder (or the socket) at $1. The student's socket is beside it, so its being
# there shows that the mount is a real one.
STEAL = r"""
ls -la $1/docker.sock && echo GOT ls
ls -A $1 | grep . && echo GOT names
cat $1/kubeconfig && echo GOT kubeconfig
mv $1/docker.sock $1/other && echo GOT mv
rm $1/docker.sock </dev/null && echo GOT rm
echo > $1/new && echo GOT new
chmod 777 $1 && echo GOT chmod
chown 0 $1 && echo GOT chown
true
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DockerSandbox]:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits(), nodes=1) as made:
        yield made


def past_the_guard(sandbox: DockerSandbox, options: str, script: str, *words: str) -> str:
    """What a container prints that the engine itself was asked for, at the checker's socket."""
    quoted = " ".join(f"'{word}'" for word in words)
    return shell(
        sandbox.checker, f"docker run --rm {options} busybox sh -c '{script}' sh {quoted} 2>&1"
    )


def require_unharmed(sandbox: DockerSandbox) -> None:
    """The checker asks the same engine and the same cluster as before."""
    assert "Server Version" in shell(sandbox.checker, "docker info")
    assert shell(sandbox.checker, "kubectl auth whoami -o name; ls -A /sockets/checker").split()[
        -3:
    ] == ["docker.sock", "images.json", "kubeconfig"]


@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
@pytest.mark.parametrize(
    ("mount", "place"),
    [
        ("/:/h", "/h/sockets/checker"),
        ("/sockets:/h", "/h/checker"),
        ("/sockets/checker:/h", "/h"),
        ("/proc/1/root:/h", "/h/sockets/checker"),
        ("/proc/self/root:/h", "/h/sockets/checker"),
    ],
)
def test_no_mount_leads_a_container_to_the_checkers_folder(
    sandbox: DockerSandbox, mount: str, place: str, rights: str
) -> None:
    said = past_the_guard(sandbox, f"{rights} -v {mount}", STEAL, place)
    assert "GOT" not in said, said
    refused = ["denied", "creating mount source path"]
    refused += [NO_SUCH_CONTAINER] if "--privileged" in rights else []
    assert any(words in said for words in refused), said
    require_unharmed(sandbox)


@pytest.mark.parametrize("rights", [RIGHTS[name] for name in ("none", "all", "host")])
def test_the_mounts_are_real(sandbox: DockerSandbox, rights: str) -> None:
    said = past_the_guard(sandbox, f"{rights} -v /sockets:/h", "ls -la /h/student/docker.sock")
    assert said.startswith("s"), said
    for name in ("dockerd", "rootlesskit", "lab.inside.guard"):
        seen = name in past_the_guard(sandbox, rights, "ps")
        assert seen == (rights == EVERYTHING), name


def test_not_even_by_way_of_another_process(sandbox: DockerSandbox) -> None:
    script = (
        "for p in /proc/[0-9]*; do for way in root cwd; do ls $p/$way/sockets/checker/docker.sock"
        " && echo GOT $p; nsenter -t ${p#/proc/} -m ls /sockets/checker/docker.sock && echo GOT"
        " ns $p; done; done; umount /h/sockets/checker && echo GOT umount; mount -t tmpfs none"
        " /h/sockets/checker; true"
    )
    said = past_the_guard(sandbox, f"{EVERYTHING} -v /:/h", script)
    assert "GOT" not in said, said
    assert "ermission denied" in said
    require_unharmed(sandbox)


def test_another_user_of_a_container_is_nobody_there_either(sandbox: DockerSandbox) -> None:
    for user in ("1", "1000", "65535", "0:1"):
        options = f"--user {user} {EVERYTHING} -v /sockets:/h"
        assert "GOT" not in past_the_guard(sandbox, options, STEAL, "/h/checker")
    require_unharmed(sandbox)


def test_no_file_that_a_container_can_mount_holds_the_administrators_credentials(
    sandbox: DockerSandbox,
) -> None:
    script = (
        "find /h/sockets /h/run /h/tmp /h/home /h/var /h/data/volumes /h/dev/shm -type f"
        " -size -200k -exec grep -l -e kubernetes-admi[n] -e client-key-dat[a] {} +"
    )
    said = past_the_guard(sandbox, f"{EVERYTHING} -v /:/h", script)
    found = [line for line in said.splitlines() if line.startswith("/h")]
    assert found == ["/h/sockets/student/kubeconfig"]
    credentials = json.loads(shell(sandbox.checker, "kubectl auth whoami -o json"))
    assert credentials["status"]["userInfo"]["username"] == "kubernetes-admin"


def test_a_container_that_runs_holds_no_key(sandbox: DockerSandbox) -> None:
    """The kernel counts them by user, and a user may have few."""
    mine = (
        f"print([line for line in open('/proc/key-users') if '{sandbox.users.student}:' in line])"
    )
    start = "for i in 1 2 3 4 5 6; do docker run -d --label keys busybox sleep 600; done"

    def count() -> int:
        listed = sandbox.student.run(mine, 10)
        text = "".join(output.get("text", "") for output in listed.outputs)
        return int(text.split("/")[0].split()[-1]) if "/" in text else 0

    before = count()
    assert len(shell(sandbox.student, start).split()) == 6
    assert count() == before
    assert "6" in shell(sandbox.student, "docker ps -q --filter label=keys | wc -l")
    shell(sandbox.student, "docker rm -f $(docker ps -q --filter label=keys)")


def test_keys_stay_out_of_a_containers_reach(sandbox: DockerSandbox) -> None:
    """A container shares its engine's keyring, so calls about keys are refused to it."""
    call = (
        "c = ctypes.CDLL(None, use_errno=True);"
        " print([(c.syscall(n, 0, 0, 0, 0, 0), ctypes.get_errno()) for n in numbers])"
    )
    numbers = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}
    script = f"import ctypes, platform; numbers = {numbers!r}[platform.machine()]; {call}"
    said = shell(sandbox.student, f'docker run --rm python python3 -c "{script}"')
    assert said.count("(-1, 1)") == 3, said
    for option in ("seccomp=unconfined", "seccomp=builtin", "label=disable"):
        refused = shell(sandbox.student, f"docker run --rm --security-opt {option} busybox true")
        assert "not available in grading" in refused, refused
