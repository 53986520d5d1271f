"""up, down, reset, status: the life of the lab, in the order in which it happens."""

import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import docker
from docker.errors import APIError
from docker.models.containers import Container

from lab import seat as engine
from lab.build import image as images
from lab.build import template
from lab.build.base_image import hub_answers
from lab.course import LABEL, NAME, ROOT
from lab.errors import LabError
from lab.machine import host, workspace
from lab.machine import joined_cluster as kubernetes
from lab.machine.host import ensure_engine, owner
from lab.progress import say, step

# image 1.3 GB, course images 0.5 GB in the template and as much in the engine; the rest is room to
# build and work
FREE_GIB = 6
START_SECONDS = 180
INSIDE_WORKSPACE, INSIDE_COURSE = "/home/student/workspace", "/home/student/course"


@dataclass(frozen=True)
class Lab:
    """Which lab: a student's, the instructor's, or the one that the tests use. They can run side by
    side.
    """

    kind: Literal["student", "instructor", "test"] = "student"
    worker: str = ""  # tests that run side by side have a lab each

    @property
    def name(self) -> str:
        """Name of its container."""
        return "-".join(
            filter(None, [NAME, self.kind if self.kind != "student" else "", self.worker])
        )

    @property
    def volume(self) -> str:
        """The engine's data: containers, images, volumes and what was pushed to the registry."""
        return f"{self.name}-engine"

    @property
    def port(self) -> int:
        """JupyterLab's port on this machine, where none is named."""
        return {"student": 8888, "instructor": 8889, "test": 18888}[self.kind]


@dataclass(frozen=True)
class Status:
    """What ``status --json`` prints. ``url`` holds the token and is null unless JupyterLab
    answers.
    """

    running: bool
    url: str | None
    image: str | None
    workspace: str | None
    stand_ins: bool | None
    cluster: kubernetes.Cluster | None = None


def up(
    lab: Lab, *, folder: Path, port: int | None, on_host: bool = False, cluster: str | None = None
) -> Status:
    """Set up everything that is missing and start the lab; nothing that is already right is
    touched.

    ``on_host``: work with the machine's own engine instead of one inside; what is made there gets
    the lab's label. ``cluster``: own, or current (that of kubectl's current context on this
    machine); else the one that the lab has.
    """
    require_space()
    client = ensure_engine()
    running = engine.find(client, lab.name)
    choice = kubernetes.chosen(cluster, running, on_host=on_host)
    if port and not (running and running.labels.get("course.port") == str(port)):
        free_port(port)  # before anything is built, and before a lab that runs is replaced
    hub = _known_hub(running) if running else None
    hub = hub_answers(client) if hub is None else hub
    image = images.ensure_lab_image(client, hub=hub)
    layers = None if on_host else template.ensure(client, image, hub=hub)
    report(workspace.update(folder, owner(folder if folder.exists() else ROOT)))
    running = _still_right(running, image, folder, port, on_host, choice)
    if running is None:
        setting = kubernetes.settle(client, lab.name, image, choice, on_host=on_host)
        engine_container = _start(
            client,
            lab,
            image=image,
            layers=layers,
            folder=folder,
            port=port,
            hub=hub,
            cluster=setting,
        )
        _wait_until_open(engine_container)
    return status(client, lab)


def require_space() -> None:
    """LabError when the disk that holds the course has not enough room for the lab."""
    free = shutil.disk_usage(ROOT).free / 2**30
    if free < FREE_GIB:
        raise LabError(
            f"Only {free:.1f} GiB are free on the disk of {ROOT}; the lab needs {FREE_GIB} GiB.",
            "free some space (`docker system df` shows what Docker holds; `bin/lab down --all`"
            " removes the lab's own images), then bin/lab up again",
        )


def _known_hub(container: Container) -> bool | None:
    label = container.labels.get("course.hub")
    return None if label is None else label == "yes"


def _still_right(
    container: Container | None,
    image: str,
    folder: Path,
    port: int | None,
    on_host: bool,
    cluster: str,
) -> Container | None:
    """The running lab when it is the one that is wanted; else it is removed (its engine's data
    stay) and None.
    """
    if container is None:
        return None
    wanted = {
        "image": image,
        "folder": str(folder),
        "port": str(port or container.labels.get("course.port")),
        "engine": "host" if on_host else "own",
        "cluster": cluster,
    }
    found = {
        "image": container.attrs["Config"]["Image"],
        "folder": container.labels.get("course.workspace"),
        "port": container.labels.get("course.port"),
        "engine": container.labels.get("course.engine"),
        "cluster": container.labels.get(kubernetes.CHOICE),
    }
    if container.status == "running" and wanted == found and _answers(container):
        return container
    say(
        "The lab is there but not as it should be (stopped, half started or of another version):"
        " starting it anew; work and engine are kept."
    )
    _remove(container)
    return None


def _start(
    client: docker.DockerClient,
    lab: Lab,
    *,
    image: str,
    layers: str | None,
    folder: Path,
    port: int | None,
    hub: bool,
    cluster: kubernetes.Setting,
) -> Container:
    """Start the lab's container: with an engine of its own, or without ``layers`` beside the
    machine's engine.
    """
    port = free_port(port or lab.port)
    uid, gid = owner(folder)
    environment = {
        "LAB_UID": str(uid),
        "LAB_GID": str(gid),
        "LAB_INSTRUCTOR": "yes" if lab.kind == "instructor" else "",
        "LAB_FOLDER": INSIDE_COURSE if lab.kind == "instructor" else INSIDE_WORKSPACE,
        "JUPYTER_TOKEN": secrets.token_urlsafe(24),
        **cluster.environment,
    }
    labels = {
        "course.workspace": str(folder),
        "course.port": str(port),
        "course.engine": "own" if layers else "host",
    }
    labels[kubernetes.CHOICE] = cluster.choice
    if layers is None:
        return _start_on_host(
            client, lab, image, folder, port, environment, labels, cluster.volumes
        )
    volumes = {
        **cluster.volumes,
        lab.volume: {"bind": engine.OUR_VOLUME, "mode": "rw"},
        layers: {"bind": "/template", "mode": "ro"},
        str(folder): {"bind": INSIDE_WORKSPACE, "mode": "rw"},
    }
    if lab.kind != "student":
        volumes[str(ROOT)] = {"bind": INSIDE_COURSE, "mode": "rw"}
    labels["course.images"] = "stand-ins" if template.holds_stand_ins(layers) else "hub"
    client.volumes.create(lab.volume, labels={LABEL: lab.name})
    try:
        return engine.start(
            client,
            image,
            lab.name,
            ["/usr/local/lib/lab/start", "lab"],
            volumes=volumes,
            environment=environment,
            labels=labels,
            hub=hub,
            ports={8888: ("127.0.0.1", port)},
        )
    except APIError as error:
        raise _explain(error, port) from error


def _start_on_host(
    client: docker.DockerClient,
    lab: Lab,
    image: str,
    folder: Path,
    port: int,
    environment: dict[str, str],
    labels: dict[str, str],
    volumes: dict[str, dict[str, str]],
) -> Container:
    """An ordinary container in the machine's network, with the workspace at its own path, so that
    ``-v "$PWD":/x`` and localhost work.
    """
    if lab.kind == "instructor":
        raise LabError(
            "The instructor's lab needs an engine of its own.",
            "bin/lab up --instructor without --engine host",
        )
    say(
        "Using the machine's own engine: what is made there gets the lab's label, bin/lab down"
        " removes that and nothing else; images are what it holds or can pull."
    )
    return client.containers.run(
        image,
        ["/usr/local/lib/lab/start", "host"],
        name=lab.name,
        detach=True,
        init=True,
        network_mode="host",
        volumes={
            **volumes,
            str(folder): {"bind": str(folder), "mode": "rw"},
            host.machine_socket(): {"bind": "/run/lab/machine.sock", "mode": "rw"},
        },
        environment={
            **environment,
            "LAB_FOLDER": str(folder),
            "LAB_LABEL": f"{LABEL}={lab.name}",
            "LAB_ADDRESS": "127.0.0.1",
            "LAB_PORT": str(port),
        },
        labels={LABEL: lab.name, **labels},
    )


def _explain(error: APIError, port: int) -> LabError:
    text = error.explanation or str(error)
    if "port is already allocated" in text or "address already in use" in text:
        return LabError(
            f"Port {port} of this machine is taken by another program.",
            f"bin/lab up --port {port + 1}",
        )
    return LabError(
        f"The machine's Docker refuses to run an engine inside a container: {text}",
        "bin/lab up --engine host, which uses the machine's own engine (only what the course labels"
        " is ever removed from it)",
    )


def free_port(wanted: int) -> int:
    """``wanted``, or LabError with the next step when something listens there already."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise LabError(
                f"Port {wanted} of this machine is taken by another program.",
                f"bin/lab up --port {wanted + 1}",
            ) from error
    return wanted


def _wait_until_open(container: Container) -> None:
    deadline = time.monotonic() + START_SECONDS
    with step("Start the lab") as progress:
        while not _answers(container):
            container.reload()
            last = container.logs(tail=1).decode(errors="replace").strip()
            progress.note(last.partition(" ")[2])
            if container.status != "running" or time.monotonic() > deadline:
                raise LabError(
                    f"The lab did not start ({container.status}). Its last"
                    f" words:\n{container.logs(tail=6).decode(errors='replace').strip()}",
                    "bin/lab doctor; then bin/lab up again, or bin/lab up --engine host where an"
                    " engine cannot run inside a container",
                )
            time.sleep(0.2)


def _url(container: Container) -> str:
    environment = dict(entry.split("=", 1) for entry in container.attrs["Config"]["Env"])
    return f"http://localhost:{container.labels['course.port']}/lab?token={environment['JUPYTER_TOKEN']}"


def _answers(container: Container) -> bool:
    url = f"http://127.0.0.1:{container.labels.get('course.port')}/api"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({})
    )  # a proxy has no business with this machine's own address
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def report(done: workspace.Update) -> None:
    """Say what came into the workspace, and what stayed the student's."""
    if done.added or done.updated:
        say(f"Workspace: {len(done.added)} files added, {len(done.updated)} updated.")
    for name in done.kept:
        say(
            f"Kept your own version of {name} (the course has a newer one: rename or delete yours,"
            " then bin/lab up brings it)."
        )


def status(client: docker.DockerClient, lab: Lab) -> Status:
    """The lab as it is now; nothing is changed."""
    container = engine.find(client, lab.name)
    if container is None:
        return Status(running=False, url=None, image=None, workspace=None, stand_ins=None)
    open_now = container.status == "running" and _answers(container)
    return Status(
        running=open_now,
        url=_url(container) if open_now else None,
        image=container.attrs["Config"]["Image"],
        workspace=container.labels.get("course.workspace"),
        stand_ins=container.labels.get("course.images") == "stand-ins",
        cluster=kubernetes.status(client, lab.name, container) if open_now else None,
    )


def as_json(state: Status) -> dict[str, object]:
    """The status as the JSON object that ``--json`` prints."""
    return asdict(state)


def down(client: docker.DockerClient, lab: Lab, *, everything: bool) -> None:
    """Remove the lab and all that carries its label; with ``everything`` the template and the
    images as well.
    """
    with step("Remove the lab"):
        reset(client, lab)
        if everything:
            template.remove_all(client)
            images.remove_all(client)


def reset(client: docker.DockerClient, lab: Lab) -> None:
    """Throw away the lab's container, its engine's data, and what the lab made on the machine's own
    engine; keep the work.
    """
    kubernetes.leave(client, lab.name)
    ours: dict[str, Any] = {"label": f"{LABEL}={lab.name}"}
    for container in client.containers.list(all=True, filters=ours):
        _remove(container)
    for network in client.networks.list(filters=ours):
        network.remove()
    for volume in client.volumes.list(filters=ours):
        volume.remove(force=True)
    for image in client.images.list(filters=ours):
        client.images.remove(str(image.id), force=True)


def _remove(container: Container) -> None:
    container.remove(force=True, v=True)


def enter(client: docker.DockerClient, lab: Lab, command: list[str]) -> int:
    """Run a command in the lab as the student, with this terminal's input and output; returns its
    exit status.

    Through the docker command line, which knows terminals: raw mode, window size, signals.
    """
    docker_command = shutil.which("docker")
    if docker_command is None:
        raise LabError(
            "`bin/lab sh` needs the docker command, and there is none on PATH.",
            "use a terminal in JupyterLab (File > New > Terminal)",
        )
    environment = dict(
        entry.split("=", 1) for entry in client.containers.get(lab.name).attrs["Config"]["Env"]
    )
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    options = [
        "--interactive",
        *terminal,
        "--user",
        environment["LAB_UID"],
        "--env",
        "HOME=/home/student",
        "--workdir",
        environment["LAB_FOLDER"],
    ]
    called = [docker_command, "exec", *options, lab.name, *(command or ["bash", "-l"])]
    return subprocess.run(called, env=host.environment(), check=False).returncode
