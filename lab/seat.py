"""The contract of a lab container: all that the machine gives it, and how to read that back.

It has its own engine, inside a container on the machine's Docker. Capabilities: Docker's default
set plus SYS_ADMIN (mounts: overlay, cgroups), NET_ADMIN (bridges, iptables) and SYS_PTRACE
(``docker exec`` into a container whose process is not root). No ``--privileged``, no device,
nothing of the host's but the workspace folder: see docs/decisions.md. ``lab/inside/start`` is the
other side of the contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from docker.models.containers import Container

from lab.course import LABEL

Mode = Literal["lab", "host", "template"]
ClusterChoice = Literal["own", "current", "none"]
OWN: Final = "own"
CURRENT: Final = "current"  # that of kubectl's current context on the machine
NONE: Final = "none"

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
HUB_NAMES = ("registry-1.docker.io", "auth.docker.io", "index.docker.io")
STAND_INS = "docker-course-template-stand-ins-"  # prefix of templates that are not Docker Hub's

START = "/usr/local/lib/lab/start"
DATA = "/var/lib/lab"  # the engine's data and the registry's, in one volume
TEMPLATE = "/template"
WORKSPACE, COURSE = "/home/student/workspace", "/home/student/course"
NO_WORKSPACE = "/srv"
MACHINE_SOCKET = "/run/lab/machine.sock"
CLUSTER_FOLDER = "/run/lab/cluster"
KUBECONFIG = "/home/student/.kube/config"
JUPYTER_PORT = 8888
CLUSTER_PORT = 6443  # of the lab's loopback

HUB = "course.hub"  # labels
FOLDER = "course.workspace"
PORT = "course.port"
ENGINE = "course.engine"
CLUSTER = "course.cluster"
IMAGES = "course.images"


def cluster_volume(lab: str) -> str:
    """The volume through which the lab of that name reaches a cluster that it has joined."""
    return f"{lab}-cluster"


@dataclass(frozen=True)
class Seat:
    """A lab container as it is wanted, or as it is. Equal seats serve the same person alike.

    ``mode`` is what ``start`` does in it: lab (engine and JupyterLab), host (JupyterLab, with the
    machine's own engine) or template (engine alone, its data in the template).
    """

    name: str
    image: str
    mode: Mode = "lab"
    workspace: str | None = None
    """The student's folder on this machine."""
    port: int | None = None
    """JupyterLab's, on this machine's loopback."""
    cluster: ClusterChoice = NONE
    instructor: bool = False

    # What may differ in a running lab that is still the wanted one.
    user: tuple[int, int] = field(default=(1000, 1000), compare=False)
    token: str = field(default="", compare=False, repr=False)
    hub: bool | None = field(default=None, compare=False)
    """Docker Hub answers, so its names are left alone; None if that was not checked."""
    data: str | None = field(default=None, compare=False)
    """The volume of the engine's and the registry's data."""
    template: str | None = field(default=None, compare=False)
    checkout: str | None = field(default=None, compare=False)
    """The course's own folder, if that is mounted too."""
    machine_socket: str | None = field(default=None, compare=False)
    memory: int | None = field(default=None, compare=False)
    """In bytes; None means no limit."""

    @property
    def folder(self) -> str:
        """Where JupyterLab and a shell open, in the container."""
        if self.instructor:
            return COURSE
        if self.workspace is None:
            return NO_WORKSPACE
        return self.workspace if self.mode == "host" else WORKSPACE

    @property
    def stand_ins(self) -> bool:
        """Whether the course images are made of Debian packages."""
        return (self.template or "").startswith(STAND_INS)

    def to_docker(self) -> dict[str, Any]:
        """The body of the Docker API's ``POST /containers/create``."""
        published = self.mode == "lab" and self.port is not None
        ports = {f"{JUPYTER_PORT}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(self.port)}]}
        return {
            "Image": self.image,
            "Cmd": [START, self.mode],
            "Env": [f"{name}={value}" for name, value in self.environment().items()],
            "Labels": self.labels(),
            "ExposedPorts": {port: {} for port in ports} if published else {},
            "StopSignal": "SIGTERM",
            **({} if self.mode == "host" else {"Hostname": "lab"}),
            "HostConfig": {
                "Init": True,
                "Binds": self._binds(),
                "PortBindings": ports if published else {},
                "Memory": self.memory or 0,
                **({"NetworkMode": "host"} if self.mode == "host" else self._engine_inside()),
            },
        }

    def environment(self) -> dict[str, str]:
        """What ``start`` and JupyterLab's configuration read."""
        variables = {} if self.hub is None else {"LAB_HUB": "yes" if self.hub else "no"}
        if self.mode == "template":
            return variables
        variables |= {
            "LAB_UID": str(self.user[0]),
            "LAB_GID": str(self.user[1]),
            "LAB_INSTRUCTOR": "yes" if self.instructor else "",
            "LAB_FOLDER": self.folder,
            "LAB_CLUSTER": self.cluster,
            "KUBECONFIG": KUBECONFIG,
            "JUPYTER_TOKEN": self.token,
        }
        if self.cluster == CURRENT:
            variables["LAB_CLUSTER_PORT"] = "" if self.mode == "host" else str(CLUSTER_PORT)
        if self.instructor:
            variables["PYTHONPATH"] = COURSE  # formgrader runs the checkout, not what students get
        if self.mode == "host":
            variables |= {
                "LAB_LABEL": f"{LABEL}={self.name}",
                "LAB_ADDRESS": "127.0.0.1",
                "LAB_PORT": str(self.port),
            }
        return variables

    def labels(self) -> dict[str, str]:
        """What says whose the container is, and what the next ``up`` reads."""
        values = {LABEL: self.name}
        if self.hub is not None:
            values[HUB] = "yes" if self.hub else "no"
        if self.mode == "template":
            return values
        values |= {ENGINE: "host" if self.mode == "host" else "own", CLUSTER: self.cluster}
        if self.workspace is not None:
            values[FOLDER] = self.workspace
        if self.port is not None:
            values[PORT] = str(self.port)
        if self.mode == "lab":
            values[IMAGES] = "stand-ins" if self.stand_ins else "hub"
        return values

    def _binds(self) -> list[str]:
        inside = self.workspace if self.mode == "host" else WORKSPACE
        mounts = [
            (self.data, DATA, "rw"),
            (self.template, TEMPLATE, "rw" if self.mode == "template" else "ro"),
            (self.workspace, inside, "rw"),
            (self.checkout, COURSE, "rw"),
            (self.machine_socket, MACHINE_SOCKET, "rw"),
            (cluster_volume(self.name) if self.cluster == CURRENT else None, CLUSTER_FOLDER, "ro"),
        ]
        return [f"{source}:{target}:{mode}" for source, target, mode in mounts if source]

    def _engine_inside(self) -> dict[str, Any]:
        return {
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
            "CgroupnsMode": "private",
            # The engine inside mounts /proc and /sys for its own containers.
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            # Where Docker Hub cannot be reached, its names are not looked up: the registry inside
            # answers for them, at once.
            "ExtraHosts": [] if self.hub else [f"{name}:127.0.0.1" for name in HUB_NAMES],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        }

    @classmethod
    def from_container(cls, container: Container) -> Self:
        """The seat of an existing container, running or not."""
        return cls.from_docker(container.attrs)

    @classmethod
    def from_docker(cls, attrs: Mapping[str, Any]) -> Self:
        """The seat that ``docker inspect`` describes."""
        config, host = attrs["Config"], attrs["HostConfig"]
        labels = config.get("Labels") or {}
        variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
        mounts = {
            target: source
            for source, target, _ in (bind.rsplit(":", 2) for bind in host.get("Binds") or ())
        }
        return cls(
            name=attrs["Name"].removeprefix("/"),
            image=config["Image"],
            mode=(config.get("Cmd") or ["lab"])[-1],
            workspace=labels.get(FOLDER),
            port=int(labels[PORT]) if PORT in labels else None,
            cluster=labels.get(CLUSTER, NONE),
            instructor=variables.get("LAB_INSTRUCTOR") == "yes",
            user=(int(variables.get("LAB_UID", 1000)), int(variables.get("LAB_GID", 1000))),
            token=variables.get("JUPYTER_TOKEN", ""),
            hub={"yes": True, "no": False}.get(labels.get(HUB, "")),
            data=mounts.get(DATA),
            template=mounts.get(TEMPLATE),
            checkout=mounts.get(COURSE),
            machine_socket=mounts.get(MACHINE_SOCKET),
            memory=host.get("Memory") or None,
        )
