"""Images: their full names, and pulls with the kubelet's reasons, one at a time of each name."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.cluster.kubelet.engine import Engine, EngineError
from lab.cluster.model.objects import Obj
from lab.cluster.registry.validation.pods import image_name_error

HUB = "docker.io"
Notify = Callable[[str, str, str], None]  # type, reason, message of an event


class ImageError(Exception):
    """Why a container cannot have its image; ``reason`` is what its status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


@dataclass(frozen=True)
class Reference:
    """An image's name, taken apart. ``separator`` is : before a tag, @ before a digest."""

    repository: str
    separator: str
    tag: str

    def __str__(self) -> str:
        return f"{self.repository}{self.separator}{self.tag}"


def reference(image: str) -> Reference:
    """In full: ``nginx`` is ``docker.io/library/nginx:latest``."""
    name, at, digest = image.partition("@")
    last = name.rpartition("/")[2]
    repository, colon, tag = name.rpartition(":") if ":" in last else (name, "", "")
    first, slash, _ = repository.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        repository = f"{HUB}/{repository}" if slash else f"{HUB}/library/{repository}"
    return Reference(repository, at or ":", digest if at else tag if colon else "latest")


def status_names(image: str, info: Obj) -> tuple[str, str]:
    """``image`` and ``imageID`` of a container's status: a name, and a digest in a repository."""
    tags = sorted(str(reference(tag)) for tag in info.get("RepoTags") or [])
    mine = reference(image)
    tags = [tag for tag in tags if tag.startswith(mine.repository)] or tags
    digests = [
        d for d in info.get("RepoDigests") or [] if str(reference(d)).startswith(mine.repository)
    ]
    digest = str(reference(digests[0])) if digests else f"{mine.repository}@{info['Id']}"
    return (tags[0] if tags else str(mine)), digest


class Images:
    """The images of the node: asked for by each container that starts, pulled as its policy wants.

    Pulls of the same name are one pull. Left out: pull secrets, garbage collection.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._pulling: dict[str, asyncio.Future[None]] = {}

    async def ensure(self, image: str, policy: str, notify: Notify) -> Obj:
        """The image, after whatever the pull policy wants. ImageError when it is not available."""
        if image_name_error(image):
            why = (
                f'Failed to apply default image tag "{image}": couldn\'t parse image name'
                f' "{image}": invalid reference format'
            )
            notify("Warning", "InspectFailed", why)
            raise ImageError("InvalidImageName", why)
        present = await self.engine.image(image)
        if present is None and policy == "Never":
            why = f'Container image "{image}" is not present with pull policy of Never'
            notify("Warning", "ErrImageNeverPull", why)
            raise ImageError("ErrImageNeverPull", why)
        if present is not None and policy != "Always":
            notify(
                "Normal",
                "Pulled",
                f'Container image "{image}" already present on machine and can be accessed by'
                " the pod",
            )
            return present
        return await self._pull(image, present, notify)

    async def _pull(self, image: str, present: Obj | None, notify: Notify) -> Obj:
        notify("Normal", "Pulling", f'Pulling image "{image}"')
        began = time.monotonic()
        try:
            await self._shared_pull(image)
        except EngineError as error:
            # The engine is a registry, too: what was built on it or loaded into it needs no other.
            if present is None:
                why = pull_failure(image, error)
                notify("Warning", "Failed", f'Failed to pull image "{image}": {why}')
                raise ImageError("ErrImagePull", why) from error
        pulled = await self.engine.image(image)
        if pulled is None:
            raise ImageError("ErrImagePull", f'image "{image}" went away while it was pulled')
        took = go_seconds(time.monotonic() - began)
        size = pulled.get("Size", 0)
        notify(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{image}" in {took} ({took} including waiting). Image size:'
            f" {size} bytes.",
        )
        return pulled

    async def _shared_pull(self, image: str) -> None:
        """Pull, or wait for the pull of the same name that is under way."""
        running = self._pulling.get(image)
        if running is None:
            wanted = reference(image)
            running = asyncio.ensure_future(self.engine.pull(wanted.repository, wanted.tag))
            self._pulling[image] = running
            running.add_done_callback(lambda _: self._pulling.pop(image, None))
        await asyncio.shield(running)


def pull_failure(image: str, error: EngineError) -> str:
    name = str(reference(image))
    where = f'failed to pull and unpack image "{name}": failed to resolve reference "{name}"'
    if error.status == 404:
        return f"rpc error: code = NotFound desc = {where}: {name}: not found"
    return f"rpc error: code = Unknown desc = {where}: {error}"


def go_seconds(seconds: float) -> str:
    """A duration as Go prints it, rounded to milliseconds."""
    return (
        f"{round(seconds * 1000)}ms"
        if seconds < 1
        else f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    )
