"""The sandboxes' template: a volume with the course images as a stopped rootless engine leaves
them.

Its layers must belong to the ids that a rootless engine maps, so a rootless engine makes it, once
for each set of images. Every sandbox mounts it with the ids shown as its own.
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

from grader.sandbox.channel import Kernel
from grader.sandbox.containers import (
    SOCKETS,
    START_SECONDS,
    SandboxImage,
    attach,
    create_engine,
    remove,
)
from grader.sandbox.interface import KernelLostError, SandboxError, SandboxLimits
from lab.course import LABEL
from lab.inside.users import TEMPLATE
from lab.lock import alone
from lab.machine import containers
from lab.progress import Step, step

PREFIX = "docker-course-sandbox-template-"
MAKER = "course.sandbox.template"  # label of the container that makes one
STOP_SECONDS = 30
COMPLETE = "complete"


def ensure_template(
    client: docker.DockerClient, image: str, lab_template: str, names: Sequence[str]
) -> SandboxImage:
    """Where sandboxes are made, with their template made first where it is missing or was left
    unfinished.

    The images (``names`` as in ``docker pull``) come from the registry in the lab's own template.
    Raises SandboxError.
    """
    # of several runs one makes the template, and the others wait for it
    with alone("sandbox-template"):
        return _ensure(
            client,
            SandboxImage(image, PREFIX + lab_template.rpartition("-")[2], lab_template),
            names,
        )


def _ensure(client: docker.DockerClient, image: SandboxImage, names: Sequence[str]) -> SandboxImage:
    volume = str(image.template)
    with suppress(NotFound):
        client.volumes.get(volume)
        if containers.has_file(client, image.image, volume, COMPLETE):
            return image
        remove(client.api, f"{MAKER}={volume}")
        client.volumes.get(volume).remove(force=True)
    client.volumes.create(volume, labels={LABEL: "template"})
    try:
        with step("Make the sandboxes' images") as progress:
            _make(
                client, SandboxImage(image.image, registry=image.registry), volume, names, progress
            )
    finally:
        remove(client.api, f"{MAKER}={volume}")
    return image


def _make(
    client: docker.DockerClient,
    image: SandboxImage,
    volume: str,
    names: Sequence[str],
    progress: Step,
) -> None:
    api = client.api
    _give_to_user(client, image.image, volume)
    scratch = dict.fromkeys(
        SOCKETS.values(), f"rw,size=1m,uid={TEMPLATE.student},gid={TEMPLATE.student}"
    )
    mounts = [Mount("/data", volume), *image.mounts()]
    container = create_engine(
        api,
        image.image,
        volume + "-maker",
        {MAKER: volume},
        SandboxLimits(engine_memory=4096),
        mounts,
        scratch,
        users=TEMPLATE,
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
    handle = api.exec_create(container, command, user=str(TEMPLATE.student))["Id"]
    output = b"".join(containers.printed(api, handle)).decode(errors="replace")
    if code := api.exec_inspect(handle)["ExitCode"]:
        raise SandboxError(
            f"`{' '.join(command)}` failed while the sandboxes' images were made (exit status"
            f" {code}): {output[-500:]}"
        )


def _give_to_user(client: docker.DockerClient, image: str, volume: str) -> None:
    """A new volume belongs to root; the engine that fills it does not run as root."""
    mount = Mount("/data", volume, no_copy=True)
    client.containers.run(
        image,
        ["chown", f"{TEMPLATE.student}:{TEMPLATE.student}", "/data"],
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
