"""Containers on the machine's Docker: find and start them, run commands and put files in them."""

import os
import struct
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container

from lab.course import LABEL, REPOSITORY
from lab.errors import LabError
from lab.seat import Seat

FRAME_HEAD = struct.Struct(">BxxxL")  # of the engine's: which stream, and how many bytes


def start(client: docker.DockerClient, seat: Seat) -> Container:
    """Create and start a lab's container.

    Raises docker.errors.APIError, with the container removed, when the machine refuses.
    """
    created = client.api.create_container_from_config(seat.to_docker(), seat.name)  # type: ignore[no-untyped-call]
    container = client.containers.get(created["Id"])
    try:
        container.start()
    except APIError:
        container.remove(force=True, v=True)
        raise
    return container


def find(client: docker.DockerClient, name: str) -> Container | None:
    """The container of that name, if there is one."""
    try:
        return client.containers.get(name)
    except NotFound:
        return None


def any_lab_image(client: docker.DockerClient) -> str:
    """Some lab image, whichever checkout built it. Raises ImageNotFound if there is none left."""
    for image in client.api.images(REPOSITORY):
        return str(image["Id"])
    raise ImageNotFound("there is no lab image left")


@dataclass(frozen=True)
class Output:
    """What a command inside printed (stdout and stderr as one text), and its exit status."""

    exit_code: int
    text: str


def run(container: Container, command: list[str], **options: Any) -> Output:
    """Run a command inside, as root; options as for docker-py's ``exec_create``."""
    api = cast(docker.DockerClient, container.client).api
    handle = api.exec_create(container.id, command, **options)["Id"]
    text = b"".join(printed(api, handle)).decode(errors="replace")
    return Output(api.exec_inspect(handle)["ExitCode"] or 0, text)


def printed(api: Any, handle: str) -> Iterator[bytes]:
    """Start a command that `exec_create` has prepared; what it prints, as it comes.

    Read from the response's own buffer. What a quick command prints may come in one piece with the
    answer's head, and docker-py, which reads the socket itself, then misses it.
    """
    connected = api.exec_start(handle, socket=True)
    response = connected._response
    getattr(connected, "_sock", connected).settimeout(None)  # a command may be silent for long
    try:
        reader = response.raw._fp.fp
        while len(head := reader.read(FRAME_HEAD.size)) == FRAME_HEAD.size:
            _, size = FRAME_HEAD.unpack(head)
            yield reader.read(size)
    finally:
        # in this order: a response that outlives its socket complains when it is collected
        response.close()
        connected.close()


def stream(client: docker.DockerClient, container: Container, command: list[str]) -> Iterator[str]:
    """Run a command inside and yield its output line by line; LabError when it fails."""
    handle = client.api.exec_create(container.id, command)["Id"]
    rest = ""
    tail: list[str] = []
    for chunk in printed(client.api, handle):
        *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
        for line in lines:
            tail = [*tail[-9:], line]
            yield line
    code = client.api.exec_inspect(handle)["ExitCode"]
    if code:
        raise LabError(
            f"`{' '.join(command)[:120]}` failed in the lab (exit status {code}):\n"
            + "\n".join([*tail, rest]),
            "bin/lab doctor, then bin/lab up again",
        )


def put_stream(container: Container, folder: str, name: str, source: IO[bytes]) -> None:
    """Copy one file into the container, by way of a file on disk rather than memory."""
    with tempfile.TemporaryFile() as spool:
        with tarfile.open(fileobj=spool, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = source.seek(0, os.SEEK_END)
            source.seek(0)
            archive.addfile(entry, source)
        spool.seek(0)
        container.put_archive(folder, cast(bytes, spool))


def has_file(client: docker.DockerClient, image: str, volume: str, path: str) -> bool:
    """Whether a volume holds a file, checked through a container that is never started."""
    probe = client.containers.create(
        image,
        ["true"],
        volumes={volume: {"bind": "/v", "mode": "ro"}},
        labels={LABEL: "probe"},
        network_disabled=True,
    )
    try:
        probe.get_archive(f"/v/{path}")
    except NotFound:
        return False
    else:
        return True
    finally:
        probe.remove(force=True)
