"""Whose a sandbox is: what a process that is gone has left behind is swept away."""

import os
import socket
from pathlib import Path

import docker

from grader.sandbox.containers import remove

OWNER_LABEL = "course.sandbox.owner"
BORN_LABEL = "course.sandbox.owner-born"


def owner() -> str:
    """Who makes a sandbox: this process on this machine."""
    return f"{socket.gethostname()}/{os.getpid()}"


def owner_labels() -> dict[str, str]:
    """The labels of all that this process makes."""
    return {OWNER_LABEL: owner(), BORN_LABEL: _born(os.getpid())}


def _born(process: int) -> str:
    """When a process started, in ticks: its number may be another's later."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def sweep(client: docker.DockerClient) -> None:
    """Remove the sandboxes of graders on this machine that are no longer there."""
    resources = [
        *client.api.containers(all=True, filters={"label": OWNER_LABEL}),
        *(client.api.volumes(filters={"label": OWNER_LABEL})["Volumes"] or []),
    ]
    for maker, born in {
        (resource["Labels"][OWNER_LABEL], resource["Labels"].get(BORN_LABEL, ""))
        for resource in resources
    }:
        if not _alive(maker, born):
            labels = [f"{OWNER_LABEL}={maker}", *([f"{BORN_LABEL}={born}"] if born else [])]
            remove(client.api, *labels)


def _alive(maker: str, born: str) -> bool:
    """Whether the owner may still be there, or cannot be asked."""
    host, _, process = maker.rpartition("/")
    if host != socket.gethostname() or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not born or born == _born(int(process))
