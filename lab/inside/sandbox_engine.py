"""The engine of a grading sandbox: rootless, its images mounted from a read-only template.

Run by path with the system's Python (``/usr/bin/python3 -I .../lab/inside/sandbox_engine.py``), so
it imports the standard library alone. When the engine answers, one line ``{"event": "ready"}``
appears on standard output; the engine's own log goes to standard error.

With ``--cluster`` a pocket cluster runs beside the engine, its Pods held by the guard to what the
student's own containers may do. Its ports are those of the network that the kernels share: bound
before any kernel runs, so that nobody else can ever answer there. When the cluster ends, so does
the engine: half a sandbox would judge wrongly.

What the container needs: the user of ``--user``, with 65,536 sub-ids, CAP_SETUID and CAP_SETGID for
newuidmap and newgidmap, /dev/net/tun, seccomp and system paths unconfined (a rootless engine mounts
/proc for its own containers), and no network.

It starts as root, before any code of a student runs: some hosts keep /dev/net/tun to root, and the
mount that shows the template's files as this user's (``--template-ids``) takes CAP_SYS_ADMIN. Then
it is the user, and has given up for good all capabilities but those two.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

DATA = Path("/data")  # the engine's own files: a tmpfs of fixed size
TEMPLATE = Path("/template")  # a stopped engine's data-root (overlay2/, image/): mounted read-only
# The store of the lab's registry, read-only: `docker pull` works without a network.
REGISTRY = Path("/lab-template/registry")
REGISTRY_START = "/usr/local/lib/lab/registry/start"
# Made after the certificate in Docker Hub's name.
REGISTRY_FACE = Path("/run/lab/registry/hub/hub.conf")
CONTAINERD = Path("/run/user/1000/containerd")
CONTAINERD_SOCKET = CONTAINERD / "containerd.sock"
CHECKER_SOCKET = Path("/sockets/checker/docker.sock")
STUDENT_SOCKET = Path("/sockets/student/docker.sock")
CLUSTER_SOCKET = CONTAINERD.with_name("cluster.sock")  # the kubelet's way to the engine
KUBECONFIG = "kubeconfig"  # beside each socket: the checker's credentials, the student's
# The cluster leaves the checker's here, and it is gone before any code of a student runs.
NEW_KUBECONFIG = CONTAINERD.with_name(KUBECONFIG)
API_PORT, NODE_PORTS = 6443, range(30000, 32768)
# File descriptors of what only the checker can reach by a path.
ENGINE_LISTENER, CHECKERS_KUBECONFIG = 998, 999
PASSED_LISTENER = 3  # where a daemon expects the first socket that it is given
BACKLOG = 128
RESERVED = range(1000, 1000 + 1 + len(NODE_PORTS))  # the file descriptors of their sockets
WORK = "/home/student/work"  # the student's folder, the same in the kernel's container
RUNTIME = "/usr/local/lib/lab/runtime"
VENV_PYTHON = "/opt/lab/venv/bin/python"
TUN = Path("/dev/net/tun")
# what the checker knows the course images by
TEMPLATE_IMAGES = TEMPLATE / "image" / "overlay2" / "repositories.json"
IMAGES = CHECKER_SOCKET.with_name("images.json")
READY_SECONDS = 60.0
OLDEST_LINUX = "5.19"  # the first whose overlay file systems take layers from an idmapped mount

_INIT = ("tini", "--")  # the container's first process collects those whose parents have ended
_ROOTLESSKIT = (
    "rootlesskit",
    "--net=slirp4netns",
    "--mtu=1500",
    "--slirp4netns-sandbox=auto",
    "--slirp4netns-seccomp=auto",
    "--disable-host-loopback",
    "--port-driver=builtin",
    "--copy-up=/etc",
    "--copy-up=/run",
    "--propagation=rslave",
)


_CONTAINERD_CONFIG = """\
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "{socket}"
[ttrpc]
address = "{socket}.ttrpc"
"""


def link_template(template: Path, data: Path) -> None:
    """Give the engine at ``data`` the template's images: metadata is copied, layers stay there.

    A layer's ``diff`` is a symbolic link into the read-only template, and ``committed`` keeps the
    engine from ever writing there; ``docker rmi`` removes the link alone.
    """
    if not (template / "overlay2").is_dir():
        return
    shutil.copytree(template / "image", data / "image")
    shutil.copytree(template / "overlay2" / "l", data / "overlay2" / "l", symlinks=True)
    for layer in (template / "overlay2").iterdir():
        if layer.name != "l":
            _link_layer(layer, data / "overlay2" / layer.name)


def _link_layer(layer: Path, target: Path) -> None:
    (target / "work").mkdir(parents=True)
    (target / "committed").touch()
    (target / "diff").symlink_to(layer / "diff")
    for name in ("link", "lower"):
        if (layer / name).exists():
            shutil.copy(layer / name, target / name)


def answers(path: Path) -> bool:
    """Whether an engine answers ``GET /_ping`` on the Unix socket at ``path``."""
    connection = http.client.HTTPConnection("engine", timeout=2)
    try:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(2)
            connected.connect(str(path))
            connection.sock = connected
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def grades(release: str) -> bool:
    """Whether a kernel, by its release as ``uname -r`` prints it, can run a sandbox.

    >>> grades("6.1.0-37-amd64"), grades("5.15.0-113-generic")
    (True, False)
    """
    oldest = tuple(map(int, OLDEST_LINUX.split(".")))
    return tuple(map(int, re.findall(r"\d+", release)[:2])) >= oldest


def _run_registry() -> None:
    """Start the registry, which is Docker Hub as far as the engine knows, until it answers."""
    store = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(REGISTRY),
        "REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}",
    }
    subprocess.run([REGISTRY_START], env={**os.environ, **store}, stdout=2, check=True)


def _start_containerd() -> None:
    """Start containerd before ``dockerd`` does, which then waits a second for it."""
    CONTAINERD.mkdir(parents=True, exist_ok=True)
    config = CONTAINERD / "config.toml"
    config.write_text(
        _CONTAINERD_CONFIG.format(
            root=DATA / "containerd", state=CONTAINERD / "state", socket=CONTAINERD_SOCKET
        )
    )
    subprocess.Popen(["containerd", "--config", config, "--log-level", "warn"], stdout=2)


def _start_guard(user: int, checker: int, *, cluster: bool) -> None:
    """Start the way of the student, and of the kubelet, to the engine (lab/inside/guard).

    Outside the engine's namespaces, as the only process of the student's user that may open the
    checker's folder.
    """
    sockets = ["--listen", STUDENT_SOCKET, "--engine", CHECKER_SOCKET]
    sockets += ["--cluster", CLUSTER_SOCKET] if cluster else []
    guard = [VENV_PYTHON, "-I", "-m", "lab.inside.guard.proxy", *map(str, sockets)]
    subprocess.Popen([*_as_user(user, f"--groups={checker}"), *guard], stdout=2)


@contextmanager
def _acting_as(user: int) -> Iterator[None]:
    """Use files as another user, since this container's root has no rights over them."""
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _furnish_checker(user: int, checker: int, *, cluster: bool) -> None:
    """Put into the checker's folder what the checker believes, before any code of a student runs.

    The folder belongs to the checker, and in the engine's user namespace there is no such user: no
    container of the engine can use or replace what is in it, whatever it mounts and whatever rights
    it was given. So the engine gets its listening socket, and the cluster's credentials find their
    way in, by file descriptor.
    """
    with _acting_as(user):
        images = TEMPLATE_IMAGES.read_bytes() if TEMPLATE_IMAGES.exists() else None
    with _acting_as(checker):
        if images is not None:
            IMAGES.write_bytes(images)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(CHECKER_SOCKET))
            CHECKER_SOCKET.chmod(0o660)
            listener.listen(BACKLOG)
            os.dup2(listener.fileno(), ENGINE_LISTENER)
        if cluster:
            with CHECKER_SOCKET.with_name(KUBECONFIG).open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                os.dup2(file.fileno(), CHECKERS_KUBECONFIG)


def _hand_over_kubeconfig() -> None:
    with os.fdopen(CHECKERS_KUBECONFIG, "wb") as file:
        file.write(NEW_KUBECONFIG.read_bytes())
    NEW_KUBECONFIG.unlink()


def _reserve_ports() -> None:
    """Bind the cluster's ports in the network in which this runs, and hold them as RESERVED.

    A socket stays in its network wherever it is used.

    Nothing listens there yet; and without SO_REUSEADDR nobody else can bind to them, at no address.
    """
    for number, port in zip(RESERVED, (API_PORT, *NODE_PORTS), strict=True):
        with _bound(port) as bound:
            os.dup2(bound.fileno(), number)


def _bound(port: int) -> socket.socket:
    """For IPv4 and IPv6, where there is IPv6."""
    with suppress(OSError):
        both = socket.socket(socket.AF_INET6)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", port))
        return both
    only = socket.socket(socket.AF_INET)
    only.bind(("", port))
    return only


def _start_cluster(nodes: int) -> "subprocess.Popen[bytes]":
    """A pocket cluster, its readiness told by a line on its standard output."""
    command = [
        VENV_PYTHON,
        "-I",
        "-m",
        "lab.cluster",
        "--context",
        "lab",
        "--port",
        API_PORT,
        "--engine-seconds",
        READY_SECONDS,
        f"--nodes={nodes}",
        "--kubeconfig",
        NEW_KUBECONFIG,
        "--student-kubeconfig",
        STUDENT_SOCKET.with_name(KUBECONFIG),
        "--reserved",
        RESERVED[0],
        RESERVED[-1],
    ]
    environment = {**os.environ, "DOCKER_HOST": f"unix://{CLUSTER_SOCKET}"}
    started = subprocess.Popen(
        [*map(str, command)], env=environment, stdout=subprocess.PIPE, pass_fds=RESERVED
    )
    os.closerange(RESERVED[0], RESERVED[-1] + 1)
    return started


def _keep_links_inside() -> None:
    """Let no path through the student's folder lead out of it: a link could be turned any moment.

    Containers get the folder without that (``RUNTIME``): what a link means to them ends in their
    own file system.
    """
    if os.path.ismount(WORK):
        subprocess.run(["mount", "-o", "remount,bind,nosymfollow", WORK], check=True)


def _configure_dockerd() -> Path:
    file = CONTAINERD / "daemon.json"
    builder = {"Entitlements": {"network-host": False, "security-insecure": False}}
    runtime = {"runtimes": {"course": {"path": RUNTIME}}, "default-runtime": "course"}
    file.write_text(json.dumps({"builder": builder, **runtime}))
    return file


def _wait_for(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not there():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come up within {READY_SECONDS:.0f} s")
        time.sleep(0.01)


def _report_when_ready(*, registry: bool, cluster: "subprocess.Popen[bytes] | None") -> None:
    """In a process of its own: ``dockerd`` takes the place of this one."""
    if os.fork():
        return
    engine = os.getppid()
    if registry:
        _run_registry()
    _wait_for(lambda: answers(STUDENT_SOCKET), "The engine, or its guard,")
    if cluster and cluster.stdout and b"ready" not in cluster.stdout.readline():
        os.kill(engine, signal.SIGKILL)
        sys.exit("The cluster did not come up")
    if cluster:
        _hand_over_kubeconfig()
    os.write(1, b'{"event": "ready"}\n')
    if cluster and cluster.stdout:
        cluster.stdout.read()  # to its end, which is the cluster's
        os.kill(engine, signal.SIGKILL)
    os._exit(0)


def _become_engine(*, nodes: int, extra: Sequence[str]) -> None:
    # Links that --copy-up made of the image's own.
    for leftover in ("/run/docker", "/run/containerd", "/run/xtables.lock"):
        Path(leftover).unlink(missing_ok=True)
    _keep_links_inside()
    _start_containerd()
    registry = REGISTRY.is_dir()
    if nodes:
        os.set_inheritable(CHECKERS_KUBECONFIG, False)
    _report_when_ready(registry=registry, cluster=_start_cluster(nodes) if nodes else None)
    link_template(TEMPLATE, DATA)
    if registry:
        # With its certificate, and an engine reads those once.
        _wait_for(REGISTRY_FACE.exists, "The registry")
    _wait_for(CONTAINERD_SOCKET.exists, "containerd")
    os.dup2(2, 1)
    options = [f"--data-root={DATA}", "--log-level=warn", f"--containerd={CONTAINERD_SOCKET}"]
    options += ["--host=fd://", f"--config-file={_configure_dockerd()}"]
    options += ["--registry-mirror=http://127.0.0.1:5000"] if registry else []
    os.dup2(ENGINE_LISTENER, PASSED_LISTENER)
    os.set_inheritable(ENGINE_LISTENER, False)
    given = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execvpe("dockerd", ["dockerd", *options, *extra], {**os.environ, **given})


def _show_template(ids: str) -> None:
    """Mount the template over itself, its files shown as those of this sandbox's users."""
    release = os.uname().release
    if not grades(release):
        sys.exit(
            f"This is Linux {release}. Grading needs {OLDEST_LINUX} or newer: update the system"
        )
    command = ["mount", "-o", f"bind,ro,X-mount.idmap={ids}", str(TEMPLATE), str(TEMPLATE)]
    if subprocess.run(command, check=False).returncode:
        sys.exit("The images could not be mounted with a sandbox's users: see the line above")


def _as_user(user: int, groups: str = "--clear-groups") -> tuple[str, ...]:
    """The command that gives up root, for the command that follows."""
    return (
        "setpriv",
        f"--reuid={user}",
        f"--regid={user}",
        groups,
        "--inh-caps=-all",
        "--bounding-set=-all,+setuid,+setgid",
    )


def main(arguments: Sequence[str]) -> None:
    """Start the engine; arguments that are unknown here are handed to ``dockerd``."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--nodes", type=int, default=0)
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("--user", type=int)
    parser.add_argument("--checker", type=int)
    parser.add_argument("--template-ids")
    chosen, extra = parser.parse_known_args(arguments)
    if chosen.inside:
        _become_engine(nodes=chosen.nodes, extra=extra)
    TUN.chmod(0o666)  # the container's own device node
    if TEMPLATE.is_dir():
        _show_template(chosen.template_ids)
    cluster = chosen.nodes > 0
    _furnish_checker(chosen.user, chosen.checker, cluster=cluster)
    if cluster:
        _reserve_ports()
    _start_guard(chosen.user, chosen.checker, cluster=cluster)
    again = [sys.executable, "-I", __file__, "--inside", *arguments]
    command = [*_as_user(chosen.user), *_INIT, *_ROOTLESSKIT, *again]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
