"""up, down, reset, status: the life of the lab, in the order in which it happens."""

import secrets
import shutil
import socket
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import docker
from docker.errors import APIError
from docker.models.containers import Container

from lab.build import image as images
from lab.build import template
from lab.build.base_image import hub_answers
from lab.course import LABEL, NAME, ROOT
from lab.errors import LabError
from lab.machine import containers, host, joined_cluster, workspace
from lab.machine.host import ensure_engine, owner
from lab.progress import say, step
from lab.seat import Seat

# What each part needs while it is made: the image 1.3 GB, and as much to build it; the course
# images 0.5 GB in the template, and their build; again 0.5 GB in the engine, and room to work.
IMAGE_GIB, TEMPLATE_GIB, ENGINE_GIB = 3.0, 1.5, 1.5
FREE_GIB = IMAGE_GIB + TEMPLATE_GIB + ENGINE_GIB
START_SECONDS = 180
FIRST_PORT, LAST_PORT = 8888, 65535


@dataclass(frozen=True)
class Lab:
    """Which lab: a student's, the instructor's or the tests'; they can run at the same time."""

    kind: Literal["student", "instructor", "test"] = "student"
    worker: str = ""  # tests that run in parallel each have their own lab

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
        """JupyterLab's port on this machine, unless another is given."""
        return {"student": 8888, "instructor": 8889, "test": 18888}[self.kind]


@dataclass(frozen=True)
class Status:
    """What ``status --json`` prints; ``url`` includes the token, and is null unless it answers."""

    running: bool
    url: str | None
    image: str | None
    workspace: str | None
    stand_ins: bool | None
    cluster: joined_cluster.Cluster | None = None


def up(
    lab: Lab, *, folder: Path, port: int | None, on_host: bool = False, cluster: str | None = None
) -> Status:
    """Set up everything that is missing and start the lab; what is already right is left alone.

    ``on_host``: use the machine's own engine instead of one inside; what is created there gets the
    lab's label. ``cluster``: own, or current (the cluster of kubectl's current context on this
    machine); if not given, the one that the lab already has.
    """
    client = ensure_engine()
    require_space(space_needed(client, lab, on_host=on_host))
    running = containers.find(client, lab.name)
    present = Seat.from_container(running) if running else None
    cluster_choice = joined_cluster.chosen(cluster, present, on_host=on_host)
    wanted_port = port or (present.port if present else None) or lab.port
    # before anything is built, and before a running lab is replaced
    if not (running and running.status == "running" and present and present.port == wanted_port):
        free_port(wanted_port)
    hub = present.hub if present else None
    hub = hub_answers(client) if hub is None else hub
    image = images.ensure_lab_image(client, hub=hub)
    layers = None if on_host else template.ensure(client, image, hub=hub)
    report(workspace.update(folder, owner(folder if folder.exists() else ROOT)))
    seat = replace(
        _seat(lab, image=image, layers=layers, folder=folder, hub=hub),
        port=wanted_port,
        cluster=cluster_choice,
    )
    if running is None or not _reusable(running, seat):
        free_port(wanted_port)
        joined_cluster.attach(client, seat)
        _wait_until_open(_start(client, seat))
    return status(client, lab)


def space_needed(client: docker.DockerClient, lab: Lab, *, on_host: bool = False) -> float:
    """How many GiB are needed for what is still to be made; 0 when all is there."""
    image = 0.0 if images.is_made(client) else IMAGE_GIB
    if on_host:
        return image
    layers = 0.0 if template.is_made(client) else TEMPLATE_GIB
    volumes = client.volumes.list(filters={"name": lab.volume})
    engine = 0.0 if any(one.name == lab.volume for one in volumes) else ENGINE_GIB
    return image + layers + engine


def require_space(needed: float) -> None:
    """Raise LabError if the disk that holds the course has less than so many GiB free."""
    free = shutil.disk_usage(ROOT).free / 2**30
    if free < needed:
        raise LabError(
            f"Only {free:.1f} GiB are free on the disk that holds {ROOT}; what is still to be made"
            f" needs {needed:.1f} GiB.",
            "free some space (`docker system df` shows what Docker uses; `bin/lab down --all`"
            " removes the lab's images), then run bin/lab up again.",
        )


def _seat(lab: Lab, *, image: str, layers: str | None, folder: Path, hub: bool) -> Seat:
    """The seat of a lab; without ``layers``, of one that uses the machine's own engine.

    Such a lab is an ordinary container in the machine's network, with the workspace at the same
    path as on the machine, so that ``-v "$PWD":/x`` and localhost work.
    """
    if layers is None and lab.kind == "instructor":
        raise LabError(
            "The instructor's lab needs its own engine.",
            "bin/lab up --instructor without --engine host",
        )
    common = Seat(
        lab.name,
        image,
        workspace=str(folder),
        instructor=lab.kind == "instructor",
        user=owner(folder),
        token=secrets.token_urlsafe(24),
    )
    if layers is None:
        return replace(common, mode="host", machine_socket=host.machine_socket())
    checkout = None if lab.kind == "student" else str(ROOT)
    return replace(common, hub=hub, data=lab.volume, template=layers, checkout=checkout)


def _reusable(running: Container, wanted: Seat) -> bool:
    """Whether a lab's container is the wanted one; if not, it is removed and its data kept."""
    if running.status == "running" and Seat.from_container(running) == wanted and _answers(running):
        return True
    say(
        "The lab is stopped, half-started or outdated. Restarting it; your work and its engine are"
        " kept."
    )
    _remove(running)
    return False


def _start(client: docker.DockerClient, seat: Seat) -> Container:
    if seat.mode == "host":
        say(
            "Using the machine's own engine, with the images that it has or can pull. What is"
            " created there gets the lab's label; bin/lab down removes that and nothing else."
        )
        return containers.start(client, seat)
    client.volumes.create(seat.data, labels={LABEL: seat.name})
    try:
        return containers.start(client, seat)
    except APIError as error:
        raise _explain(error, seat.port or 0) from error


def _explain(error: APIError, port: int) -> LabError:
    text = error.explanation or str(error)
    if "port is already allocated" in text or "address already in use" in text:
        return LabError(
            f"Port {port} on this machine is taken by another program.", _another_port(port)
        )
    return LabError(
        f"The machine's Docker refuses to run an engine inside a container: {text}",
        "bin/lab up --engine host, which uses the machine's own engine (only what has the course's"
        " label is ever removed from it)",
    )


def free_port(wanted: int) -> int:
    """``wanted``, or LabError with the next step if something already listens there."""
    if not _is_free(wanted):
        raise LabError(
            f"Port {wanted} on this machine is taken by another program.", _another_port(wanted)
        )
    return wanted


def _another_port(taken: int) -> str:
    """The command that takes the next free port; beyond the last port there is none."""
    ports = [*range(taken + 1, LAST_PORT + 1), *range(FIRST_PORT, taken)]
    return f"bin/lab up --port {next(filter(_is_free, ports), 'PORT')}"


def _is_free(port: int) -> bool:
    """Whether nothing listens on this port of the machine."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait_until_open(container: Container) -> None:
    deadline = time.monotonic() + START_SECONDS
    with step("Start the lab") as progress:
        while not _answers(container):
            container.reload()
            last = container.logs(tail=1).decode(errors="replace").strip()
            progress.note(last.partition(" ")[2])
            if container.status != "running" or time.monotonic() > deadline:
                raise LabError(
                    f"The lab did not start ({container.status}). The end of its"
                    f" log:\n{container.logs(tail=6).decode(errors='replace').strip()}",
                    "bin/lab doctor; then bin/lab up again, or bin/lab up --engine host if an"
                    " engine cannot run inside a container here",
                )
            time.sleep(0.2)


def _url(seat: Seat) -> str:
    return f"http://localhost:{seat.port}/lab?token={seat.token}"


def _answers(container: Container) -> bool:
    url = f"http://127.0.0.1:{Seat.from_container(container).port}/api"
    # No proxy: this is the machine's own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def report(done: workspace.Update) -> None:
    """Say what was brought into the workspace, and which of the student's own files were kept."""
    if done.added or done.updated:
        say(f"Workspace: {len(done.added)} files added, {len(done.updated)} updated.")
    for name in done.kept:
        say(
            f"Kept your own version of {name}. The course has a newer one: to get it, rename or"
            " delete yours, then run bin/lab up again."
        )


def status(client: docker.DockerClient, lab: Lab) -> Status:
    """The lab as it is now; nothing is changed."""
    container = containers.find(client, lab.name)
    if container is None:
        return Status(running=False, url=None, image=None, workspace=None, stand_ins=None)
    seat = Seat.from_container(container)
    open_now = container.status == "running" and _answers(container)
    return Status(
        running=open_now,
        url=_url(seat) if open_now else None,
        image=seat.image,
        workspace=seat.workspace,
        stand_ins=seat.stand_ins,
        cluster=joined_cluster.status(client, lab.name, container) if open_now else None,
    )


def as_json(state: Status) -> dict[str, object]:
    """The status as the JSON object that ``--json`` prints."""
    return asdict(state)


def down(client: docker.DockerClient, lab: Lab, *, everything: bool) -> None:
    """Remove the lab and all with its label; with ``everything``, the template and images too."""
    with step("Remove the lab"):
        reset(client, lab)
        if everything:
            template.remove_all(client)
            images.remove_all(client)


def reset(client: docker.DockerClient, lab: Lab) -> None:
    """Remove container, engine's data and all that was created on the machine; keep the work."""
    joined_cluster.detach(client, lab.name)
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
