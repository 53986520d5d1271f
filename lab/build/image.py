"""The lab image: built if it is missing; older ones are removed."""

import hashlib
import io
import re
from datetime import UTC, datetime
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound

from lab.build.base_image import ensure_base
from lab.build.context import build_context
from lab.course import LABEL, NAME, REPOSITORY
from lab.errors import LabError
from lab.lock import alone
from lab.progress import Step, step

CHECKOUT = "course.checkout"  # label: which checkout built it
STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")


def ensure_lab_image(client: docker.DockerClient, *, hub: bool) -> str:
    """Name of this checkout's lab image, built first if it is missing.

    Two commands at once build it once.
    """
    context = build_context()
    name = image_name(context)
    if not _exists(client, name):
        with alone("image"):
            if not _exists(client, name):
                base = ensure_base(client, hub=hub)
                with step("Build the lab image") as progress:
                    _build(client, context, name, base, progress)
                _forget_older(client, name)
    return name


def image_name(context: bytes | None = None) -> str:
    """The name of this checkout's lab image, made or not."""
    digest = hashlib.sha256(build_context() if context is None else context)
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def is_made(client: docker.DockerClient) -> bool:
    """Whether this checkout's lab image is there."""
    return _exists(client, image_name())


def packages_since(client: docker.DockerClient, name: str) -> datetime | None:
    """When the packages of a lab image were installed; None without such an image.

    The image itself may be newer: each change of the course makes it again on the same packages.
    """
    try:
        layers = client.api.history(name)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    installed = [layer["Created"] for layer in layers if "apt-get" in layer["CreatedBy"]]
    made = min(installed, default=max(layer["Created"] for layer in layers))
    return datetime.fromtimestamp(made, UTC)


def _exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _build(
    client: docker.DockerClient, context: bytes, name: str, base: str, progress: Step
) -> None:
    labels = {LABEL: "image", CHECKOUT: NAME}
    tail: list[str] = []
    stream = client.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=name,
        buildargs={"BASE": base},
        labels=labels,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for message in stream:
        text = message.get("stream") or message.get("error") or ""
        tail = [*tail, *filter(None, text.splitlines())][-8:]
        if found := STEP.match(text):
            progress.advance(int(found[1]) - 1, int(found[2]))
        progress.note(text)
        if "error" in message:
            raise LabError(
                "Building the lab image failed:\n" + "\n".join(tail),
                "check the network and the free disk space (bin/lab doctor), then run bin/lab up"
                " again to continue.",
            )


def _forget_older(client: docker.DockerClient, current: str) -> None:
    """Remove the lab images of this checkout's earlier versions, except those still in use."""
    for image in client.api.images(REPOSITORY, filters={"label": f"{CHECKOUT}={NAME}"}):
        for tag in _tags(image):
            if tag != current:
                try:
                    client.images.remove(tag)
                except APIError:
                    continue  # in use: the next build removes it


def _tags(image: dict[str, Any]) -> list[str]:
    """Tags from the engine's listing; docker-py asks again for each image, which may be gone."""
    return [tag for tag in image["RepoTags"] or [] if tag != "<none>:<none>"]


def remove_all(client: docker.DockerClient) -> None:
    """Remove every image that the lab created here, except those still in use."""
    for image in client.api.images(filters={"label": LABEL}):
        for tag in _tags(image) or [image["Id"]]:
            try:
                client.images.remove(tag)
            except APIError:
                continue
