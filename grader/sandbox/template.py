"""The sandboxes' template: a volume with the course images as a stopped rootless engine leaves
them.

Its layers must belong to the numbers that a rootless engine maps, so a rootless engine makes it,
once for each set of images.
"""

import io
import tarfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount

from grader.sandbox.channel import Kernel, KernelLostError
from grader.sandbox.docker import (
    SOCKETS,
    START_SECONDS,
    Limits,
    Place,
    SandboxError,
    attach,
    create_engine,
    remove,
)
from grader.sandbox.files import USER
from lab import seat as engine
from lab.course import LABEL
from lab.lock import alone
from lab.progress import Step, step

PREFIX = "docker-course-sandbox-template-"
MAKER = "course.sandbox.template"  # label of the container that makes one
STOP_SECONDS = 30
COMPLETE = "complete"


def ensure_place(
    client: docker.DockerClient, image: str, lab_template: str, names: Sequence[str]
) -> Place:
    """Where sandboxes are made, with their template made first where it is missing or was left
    unfinished.

    The images (``names`` as in ``docker pull``) come from the registry in the lab's own template.
    Raises SandboxError.
    """
    with alone("sandbox-template"):
        return _ensured(
            client, Place(image, PREFIX + lab_template.rpartition("-")[2], lab_template), names
        )


def _ensured(client: docker.DockerClient, place: Place, names: Sequence[str]) -> Place:
    image, volume = place.image, str(place.template)
    with suppress(NotFound):
        client.volumes.get(volume)
        if engine.has_file(client, image, volume, COMPLETE):
            return place
        remove(client.api, f"{MAKER}={volume}")
        client.volumes.get(volume).remove(force=True)
    client.volumes.create(volume, labels={LABEL: "template"})
    try:
        with step("Make the sandboxes' images") as progress:
            _make(client, Place(image, registry=place.registry), volume, names, progress)
    finally:
        remove(client.api, f"{MAKER}={volume}")
    return place


def _make(
    client: docker.DockerClient, place: Place, volume: str, names: Sequence[str], progress: Step
) -> None:
    api = client.api
    _give_to_user(client, place.image, volume)
    scratch = dict.fromkeys(SOCKETS.values(), f"rw,size=1m,uid={USER},gid={USER}")
    mounts = [Mount("/data", volume), *place.mounts()]
    container = create_engine(
        api,
        place.image,
        volume + "-maker",
        {MAKER: volume},
        Limits(engine_memory=4096),
        mounts,
        scratch,
    )
    try:
        channel = attach(api, container)
        api.start(container)
        Kernel(channel).wait_until_ready(time.monotonic() + START_SECONDS)
        for number, name in enumerate(names):
            progress.advance(number, len(names))
            progress.note(name)
            _run(api, container, ["docker", "pull", "--quiet", name])
        _run(api, container, ["pkill", "-TERM", "-x", "dockerd"])
        api.wait(container, timeout=STOP_SECONDS)
    except (APIError, KernelLostError) as error:
        log = api.logs(container, tail=5).decode(errors="replace")
        raise SandboxError(f"The sandboxes' images could not be made: {error}\n{log}") from error
    api.put_archive(container, "/data", _empty_file(COMPLETE))


def _run(api: Any, container: str, command: list[str]) -> None:
    handle = api.exec_create(container, command, user=str(USER))["Id"]
    said = api.exec_start(handle).decode(errors="replace")
    if code := api.exec_inspect(handle)["ExitCode"]:
        raise SandboxError(
            f"`{' '.join(command)}` failed while the sandboxes' images were made (exit status"
            f" {code}): {said[-500:]}"
        )


def _give_to_user(client: docker.DockerClient, image: str, volume: str) -> None:
    """A new volume belongs to root; the engine that fills it does not run as root."""
    mount = Mount("/data", volume, no_copy=True)
    client.containers.run(
        image,
        ["chown", f"{USER}:{USER}", "/data"],
        user="0:0",
        mounts=[mount],
        network_disabled=True,
        remove=True,
        labels={MAKER: volume},
    )


def _empty_file(name: str) -> bytes:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return spool.getvalue()
