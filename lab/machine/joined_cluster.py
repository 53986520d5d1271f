"""Which cluster the lab has: the pocket cluster, or somebody's own, in a namespace that the lab
makes and removes (``--cluster current``).

The foreign cluster is asked from a container in the machine's network with the machine's own
credentials; the lab reaches it through a Unix socket in a volume that both mount, so it does not
matter where the machine finds its cluster. The volume's labels record what was joined.
"""

import io
import json
import secrets
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import ContainerError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume

from lab import seat as engine
from lab.build import image as images
from lab.course import LABEL
from lab.errors import LabError
from lab.machine import kubeconfig
from lab.progress import say, step

OWN, CURRENT, NONE = "own", "current", "none"
KUBECONFIG = "/home/student/.kube/config"  # in the lab
CHOICE, CONTEXT, NAMESPACE = "course.cluster", "course.context", "course.namespace"  # labels
INSIDE, BESIDE = (
    "/run/lab/cluster",
    "/cluster",
)  # where the volume is, in the lab and in the containers beside it
PORT = 6443  # of the lab's loopback
ANSWER_SECONDS, DELETE_SECONDS = 15, 120
QUOTA = {
    "pods": "60",
    "services": "30",
    "services.nodeports": "15",
    "services.loadbalancers": "0",
    "configmaps": "60",
    "secrets": "60",
    "persistentvolumeclaims": "15",
}


@dataclass(frozen=True)
class Setting:
    """What the lab's container needs for its cluster."""

    choice: str
    environment: Mapping[str, str]
    volumes: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cluster:
    """What ``status --json`` says of the cluster. ``kind``: own, current (somebody's own) or none;
    ``context`` is the machine's name for it.
    """

    kind: str
    ready: bool
    context: str | None = None
    namespace: str | None = None


def volume_name(lab: str) -> str:
    """The volume that belongs to a joined cluster."""
    return f"{lab}-cluster"


def chosen(asked: str | None, running: Container | None, *, on_host: bool) -> str:
    """Which cluster is wanted: what was asked for, else what the lab has, else its own. Beside the
    machine's own engine there is no own one.
    """
    if on_host and asked == OWN:
        raise LabError(
            "Beside the machine's own engine the lab has no cluster of its own: it would need"
            " routes and ports of the machine.",
            "bin/lab up --engine own; or --cluster current, where kubectl has a cluster already",
        )
    before = running.labels.get(CHOICE) if running else None
    wanted = asked or (CURRENT if before == CURRENT else OWN)
    return NONE if on_host and wanted == OWN else wanted


def settle(
    client: docker.DockerClient, lab: str, image: str, choice: str, *, on_host: bool
) -> Setting:
    """Make the wanted cluster ready for the lab's container that is to be started; leave another
    one that was joined before.
    """
    if choice != CURRENT:
        leave(client, lab)
        return Setting(choice, {"LAB_CLUSTER": choice, "KUBECONFIG": KUBECONFIG})
    config = kubeconfig.current()
    joined = _joined(client, lab)
    if joined is not None and joined.attrs["Labels"].get(CONTEXT) != config.context:
        leave(client, lab)
        joined = None
    volume = joined or _join(client, lab, image, config)
    namespace = volume.attrs["Labels"][NAMESPACE]
    inside = config if on_host else config.at(PORT)
    _put(
        client,
        image,
        lab,
        {"lab.conf": inside.document(namespace), "machine.conf": config.document(namespace)},
    )
    if not on_host:
        _relay(client, lab, image, *config.server)
    environment = {
        "LAB_CLUSTER": CURRENT,
        "KUBECONFIG": KUBECONFIG,
        "LAB_CLUSTER_PORT": "" if on_host else str(PORT),
    }
    return Setting(CURRENT, environment, {volume_name(lab): {"bind": INSIDE, "mode": "ro"}})


def _joined(client: docker.DockerClient, lab: str) -> Volume | None:
    try:
        return client.volumes.get(volume_name(lab))
    except NotFound:
        return None


def _join(
    client: docker.DockerClient, lab: str, image: str, config: kubeconfig.Kubeconfig
) -> Volume:
    """A namespace of the lab's own on somebody's cluster, with a quota. LabError with the cluster's
    own words where it refuses.
    """
    namespace = f"docker-course-{secrets.token_hex(3)}"
    labels = {LABEL: lab, CONTEXT: config.context, NAMESPACE: namespace}
    volume: Volume = client.volumes.create(volume_name(lab), labels=labels)
    with step(f"Make the namespace {namespace} in {config.context}"):
        files = {
            "machine.conf": config.document(namespace),
            "namespace.json": _namespace(namespace, lab),
        }
        _put(client, image, lab, files)
        try:
            _kubectl(
                client,
                image,
                lab,
                "create",
                "-f",
                f"{BESIDE}/namespace.json",
                f"--request-timeout={ANSWER_SECONDS}s",
            )
        except ContainerError as error:
            volume.remove(force=True)
            raise LabError(
                f"The cluster of kubectl's current context, {config.context}, does not let the lab"
                f" in:\n{_said(error)}",
                "kubectl get namespaces; when that works, bin/lab up --cluster current again. Or"
                " bin/lab up --cluster own",
            ) from error
    say(
        f"Using the cluster of the context {config.context}, in the namespace {namespace} (bin/lab"
        " down removes that, and nothing else)."
    )
    return volume


def leave(client: docker.DockerClient, lab: str) -> None:
    """Remove the namespace that the lab made on somebody's cluster, and the way there. Where that
    cluster does not answer, say what is left.
    """
    if container := engine.find(client, volume_name(lab)):
        container.remove(force=True, v=True)
    volume = _joined(client, lab)
    if volume is None:
        return
    context, namespace = volume.attrs["Labels"][CONTEXT], volume.attrs["Labels"][NAMESPACE]
    selected = [
        "--selector",
        f"{LABEL}={lab}",
        "--field-selector",
        f"metadata.name={namespace}",
    ]  # ours, by both
    with step(f"Remove the namespace {namespace} from {context}"):
        try:
            _kubectl(
                client,
                images.any_lab_image(client),
                lab,
                "delete",
                "namespaces",
                *selected,
                f"--timeout={DELETE_SECONDS}s",
            )
        except (ContainerError, ImageNotFound) as error:
            say(
                f"The namespace {namespace} could not be removed from the cluster of {context}:"
                f" {_said(error)}\nWhen it answers: kubectl --context {context} delete namespace"
                f" {namespace}"
            )
    if container := engine.find(client, lab):
        container.remove(force=True, v=True)
    volume.remove(force=True)


def _namespace(name: str, lab: str) -> dict[str, Any]:
    meta = {"name": name, "labels": {LABEL: lab}}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "docker-course", "namespace": name},
        "spec": {"hard": QUOTA},
    }
    items = [{"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, quota]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _put(client: docker.DockerClient, image: str, lab: str, files: Mapping[str, Any]) -> None:
    """Write JSON files into the volume, for root alone: through a container that is created for it
    and never started.
    """
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    carrier = client.containers.create(
        image, ["true"], volumes=_mounted(lab), labels={LABEL: lab}, network_disabled=True
    )
    try:
        carrier.put_archive(BESIDE, spool.getvalue())
    finally:
        carrier.remove(force=True)


def _mounted(lab: str) -> dict[str, dict[str, str]]:
    return {volume_name(lab): {"bind": BESIDE, "mode": "rw"}}


def _kubectl(client: docker.DockerClient, image: str, lab: str, *arguments: str) -> None:
    """Ask the foreign cluster from the machine's own network. Raises ContainerError with what
    kubectl said.
    """
    client.containers.run(
        image,
        ["kubectl", *arguments],
        network_mode="host",
        volumes=_mounted(lab),
        labels={LABEL: lab},
        remove=True,
        stderr=True,
        environment={"KUBECONFIG": f"{BESIDE}/machine.conf", "HOME": "/tmp"},  # noqa: S108
    )


def _said(error: Exception) -> str:
    text = getattr(error, "stderr", None) or str(error)
    return (text.decode(errors="replace") if isinstance(text, bytes) else str(text)).strip()[-1000:]


def _relay(client: docker.DockerClient, lab: str, image: str, host: str, port: int) -> None:
    """Between the lab and the foreign API server: a socket in the volume, a connection from the
    machine's network for each of the lab's.
    """
    name = volume_name(lab)
    if before := engine.find(client, name):
        before.remove(force=True, v=True)
    address = f"[{host}]" if ":" in host else host
    client.containers.run(
        image,
        ["socat", f"UNIX-LISTEN:{BESIDE}/api.sock,fork,unlink-early", f"TCP:{address}:{port}"],
        name=name,
        detach=True,
        init=True,
        network_mode="host",
        volumes=_mounted(lab),
        labels={LABEL: lab},
    )


def status(client: docker.DockerClient, lab: str, container: Container) -> Cluster:
    """The cluster of a running lab, asked from within as a student would."""
    kind = container.labels.get(CHOICE, NONE)
    if kind == NONE:
        return Cluster(NONE, ready=False)
    ready = (
        engine.run(
            container, ["kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"]
        ).exit_code
        == 0
    )
    volume = _joined(client, lab) if kind == CURRENT else None
    known = volume.attrs["Labels"] if volume else {}
    return Cluster(kind, ready, known.get(CONTEXT), known.get(NAMESPACE))


def told(cluster: Cluster | None) -> str:
    """The cluster in a few words.

    >>> told(Cluster("current", True, "kind-kind", "docker-course-0a1b2c"))
    'that of kind-kind, in the namespace docker-course-0a1b2c: ready'
    """
    if cluster is None or cluster.kind == NONE:
        return "none: beside the machine's own engine there is no cluster of the lab's own"
    name = (
        "its own"
        if cluster.kind == OWN
        else f"that of {cluster.context}, in the namespace {cluster.namespace}"
    )
    return f"{name}: {'ready' if cluster.ready else 'does not answer'}"
