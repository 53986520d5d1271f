"""What stands on the engine now, read from its API: containers and what they use."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import docker

from lab.notebook.engine import short_image
from lab.notebook.names import is_invented, shown_names

_ANY = "0.0.0.0"  # the engine writes it so


@dataclass(frozen=True)
class Port:
    """A port of a container, and the host's address and port that lead to it (empty: none does).

    `0.0.0.0` is any address of the host, also where IPv6 has it as `::`.
    """

    container: str
    address: str = ""
    number: str = ""


@dataclass(frozen=True)
class Mount:
    """What is mounted in a container: `kind` is `volume`, `bind` or `tmpfs`."""

    kind: str
    source: str
    target: str


@dataclass(frozen=True)
class Container:
    """A container and what it uses; `state` is in the words of `docker ps -a`."""

    name: str
    image: str
    state: str
    networks: tuple[str, ...]
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]


@dataclass(frozen=True)
class Census:
    """Everything sorted by name, so that the same state reads the same."""

    containers: tuple[Container, ...]
    images: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]


def take_census(client: docker.DockerClient, label: str | None) -> Census:
    """Containers, and the images, networks and volumes that they use or that carry `label`.

    Without a label: all of each, but of the networks that every engine has only those in use.
    """
    filters: Any = {"label": label} if label else {}
    found = client.containers.list(all=True, filters=filters, ignore_removed=True)
    raw = sorted((each.attrs for each in found), key=lambda attrs: str(attrs["Created"]))
    tags_by_id = _tags_by_id(client)
    images = {each["Id"]: _image(each, tags_by_id) for each in raw}
    names = shown_names((each["Id"], each["Name"].lstrip("/"), images[each["Id"]]) for each in raw)
    containers = sorted(
        (_container(each, names[each["Id"]], images[each["Id"]]) for each in raw),
        key=attrgetter("name"),
    )
    tags = (tag for image in client.images.list(filters=filters) for tag in image.tags)
    networks = (
        each.name
        for each in client.networks.list(filters=filters)
        if each.name not in {"bridge", "host", "none"}
    )
    volumes = (each.name for each in client.volumes.list(filters=filters))
    mounts = (mount for each in containers for mount in each.mounts)
    return Census(
        containers=tuple(containers),
        images=_sorted(*(short_image(tag) for tag in tags), *(each.image for each in containers)),
        networks=_sorted(*networks, *(network for each in containers for network in each.networks)),
        volumes=_sorted(
            *map(_volume, volumes), *(mount.source for mount in mounts if mount.kind == "volume")
        ),
    )


def _sorted(*names: str | None) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))


def _container(attrs: dict[str, Any], name: str, image: str) -> Container:
    return Container(
        name=name,
        image=image,
        state=state_of(attrs),
        networks=_sorted(*attrs["NetworkSettings"]["Networks"]),
        ports=tuple(_ports(attrs["NetworkSettings"].get("Ports") or {})),
        mounts=tuple(sorted((_mount(each) for each in attrs["Mounts"]), key=attrgetter("target"))),
    )


def state_of(attrs: dict[str, Any]) -> str:
    """The state as `docker ps -a` words it, without its age: `running`, `exited (137)`."""
    status = str(attrs["State"]["Status"])
    return f"{status} ({attrs['State']['ExitCode']})" if status in {"exited", "dead"} else status


def _image(attrs: dict[str, Any], tags_by_id: dict[str, str]) -> str:
    """The image as it was named for the container; if that was an id, by the name it has now."""
    given, image_id = attrs["Config"]["Image"], attrs["Image"]
    if image_id.removeprefix("sha256:").startswith(given.removeprefix("sha256:")):
        given = tags_by_id.get(image_id, given)
    return short_image(given)


def _tags_by_id(client: docker.DockerClient) -> dict[str, str]:
    """One name for each image that has any."""
    names = {image["Id"]: sorted(image["RepoTags"] or []) for image in client.api.images()}
    return {id_: tags[0] for id_, tags in names.items() if tags and tags[0] != "<none>:<none>"}


def _ports(ports: dict[str, list[dict[str, str]] | None]) -> Iterable[Port]:
    for port in sorted(ports, key=lambda each: int(each.split("/")[0])):
        published = {
            Port(port, _ANY if each["HostIp"] in {"", "::"} else each["HostIp"], each["HostPort"])
            for each in ports[port] or ()
        }
        yield from sorted(published, key=attrgetter("address", "number")) or [Port(port)]


def _mount(mount: dict[str, Any]) -> Mount:
    source = _volume(mount["Name"]) if mount["Type"] == "volume" else mount["Source"]
    return Mount(mount["Type"], source, mount["Destination"])


def _volume(name: str) -> str:
    return "(anonymous volume)" if is_invented(name) else name
