"""The engine of a grading sandbox: rootless, its images mounted from a read-only template.

Run by path with the system's Python (``/usr/bin/python3 -I .../lab/inside/sandbox_engine.py``), so
it imports the standard library alone. When the engine answers, one line ``{"event": "ready"}``
appears on standard output; the engine's own log goes to standard error.

With ``--cluster`` a pocket cluster runs beside the engine, its Pods held by the guard to what the
student's own containers may do. Its ports are those of the network that the kernels share: bound
before any kernel runs, so that nobody else can ever answer there. When the cluster ends, so does
the engine: half a sandbox would judge wrongly.

What the container needs: user 1000 with 65,536 sub-ids, CAP_SETUID and CAP_SETGID for newuidmap and
newgidmap, /dev/net/tun, seccomp and system paths unconfined (a rootless engine mounts /proc for its
own containers); no network, no other capability. It starts as root for one line, since some hosts
keep /dev/net/tun to root, and is user 1000 from then on.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
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
CLUSTER_SOCKET = CONTAINERD / "cluster.sock"  # the kubelet's way to the engine
KUBECONFIG = "kubeconfig"  # beside each socket: the checker's credentials, the student's
API_PORT, NODE_PORTS = 6443, range(30000, 32768)
RESERVED = range(1000, 1000 + 1 + len(NODE_PORTS))  # the file descriptors of their sockets
WORK = "/home/student/work"  # the student's folder, the same in the kernel's container
RUNTIME = "/usr/local/lib/lab/runtime"
VENV_PYTHON = "/opt/lab/venv/bin/python"
TUN = Path("/dev/net/tun")
USER = 1000
READY_SECONDS = 60.0

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


def _start_guard(*, cluster: bool) -> None:
    """Start the way of the student, and of the kubelet, to the engine (lab/inside/guard)."""
    sockets = ["--listen", STUDENT_SOCKET, "--engine", CHECKER_SOCKET]
    sockets += ["--cluster", CLUSTER_SOCKET] if cluster else []
    subprocess.Popen(
        [VENV_PYTHON, "-I", "-m", "lab.inside.guard.proxy", *map(str, sockets)], stdout=2
    )


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


def _start_cluster() -> "subprocess.Popen[bytes]":
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
        "--kubeconfig",
        CHECKER_SOCKET.with_name(KUBECONFIG),
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
    _wait_for(lambda: answers(CHECKER_SOCKET), "The engine")
    _wait_for(STUDENT_SOCKET.exists, "The guard")
    if cluster and cluster.stdout and b"ready" not in cluster.stdout.readline():
        os.kill(engine, signal.SIGKILL)
        sys.exit("The cluster did not come up")
    os.write(1, b'{"event": "ready"}\n')
    if cluster and cluster.stdout:
        cluster.stdout.read()  # to its end, which is the cluster's
        os.kill(engine, signal.SIGKILL)
    os._exit(0)


def _become_engine(*, cluster: bool, extra: Sequence[str]) -> None:
    # Links that --copy-up made of the image's own.
    for leftover in ("/run/docker", "/run/containerd", "/run/xtables.lock"):
        Path(leftover).unlink(missing_ok=True)
    _keep_links_inside()
    _start_containerd()
    _start_guard(cluster=cluster)
    registry = REGISTRY.is_dir()
    _report_when_ready(registry=registry, cluster=_start_cluster() if cluster else None)
    link_template(TEMPLATE, DATA)
    if registry:
        # With its certificate, and an engine reads those once.
        _wait_for(REGISTRY_FACE.exists, "The registry")
    _wait_for(CONTAINERD_SOCKET.exists, "containerd")
    os.dup2(2, 1)
    options = [f"--data-root={DATA}", "--log-level=warn", f"--containerd={CONTAINERD_SOCKET}"]
    options += [f"--host=unix://{CHECKER_SOCKET}", f"--config-file={_configure_dockerd()}"]
    options += ["--registry-mirror=http://127.0.0.1:5000"] if registry else []
    os.execvp("dockerd", ["dockerd", *options, *extra])


def _become_user() -> None:
    TUN.chmod(0o666)  # the container's own device node
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def main(arguments: Sequence[str]) -> None:
    """Start the engine; ``arguments`` but ``--cluster`` are handed to ``dockerd``."""
    cluster = "--cluster" in arguments
    if arguments[:1] == ["--inside"]:
        _become_engine(cluster=cluster, extra=[one for one in arguments[1:] if one != "--cluster"])
    if os.geteuid() == 0:
        _become_user()
    if cluster:
        _reserve_ports()
    os.execvp(
        "rootlesskit", [*_ROOTLESSKIT, sys.executable, "-I", __file__, "--inside", *arguments]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
