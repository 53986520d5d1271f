"""Which cluster the lab uses: its own, or a namespace in yours (``--cluster current``).

Your cluster is called from a container in the machine's network with the machine's own credentials;
the lab reaches it through a Unix socket in a volume that both mount, so it does not matter where
the machine finds its cluster. The volume's labels record what was joined.
"""

import io
import json
import secrets
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import ContainerError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume

from lab.course import LABEL
from lab.errors import LabError
from lab.machine import containers, kubeconfig
from lab.progress import say, step
from lab.seat import CLUSTER_PORT, CURRENT, NONE, OWN, ClusterChoice, Seat, cluster_volume

CONTEXT, NAMESPACE = "course.context", "course.namespace"  # labels
BESIDE = "/cluster"  # where the volume is mounted in the containers next to the lab
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
class Cluster:
    """What ``status --json`` says about the cluster; ``context`` is the machine's name for it."""

    kind: str
    ready: bool
    context: str | None = None
    namespace: str | None = None


def chosen(asked: str | None, present: Seat | None, *, on_host: bool) -> ClusterChoice:
    """Which cluster is wanted: what was asked for, else what the lab has, else its own.

    A lab on the machine's own engine has no cluster unless it joins one.
    """
    if on_host and asked == OWN:
        raise LabError(
            "A lab on the machine's own engine cannot have its own cluster: that would need the"
            " machine's routes and ports.",
            "bin/lab up --engine own; or --cluster current, if kubectl already has a cluster",
        )
    if asked == CURRENT or (asked is None and present and present.cluster == CURRENT):
        return CURRENT
    return NONE if on_host else OWN


def attach(client: docker.DockerClient, seat: Seat) -> None:
    """Prepare the cluster of a lab that is about to start; detach any other one that it had."""
    if seat.cluster != CURRENT:
        detach(client, seat.name)
        return
    config = kubeconfig.current()
    joined = _joined(client, seat.name)
    if joined is not None and joined.attrs["Labels"].get(CONTEXT) != config.context:
        detach(client, seat.name)
        joined = None
    volume = joined or _join(client, seat, config)
    namespace = volume.attrs["Labels"][NAMESPACE]
    inside = config if seat.mode == "host" else config.at(CLUSTER_PORT)
    files = {"lab.conf": inside.document(namespace), "machine.conf": config.document(namespace)}
    _put(client, seat.image, seat.name, files)
    if seat.mode != "host":
        _relay(client, seat, *config.server)


def _joined(client: docker.DockerClient, lab: str) -> Volume | None:
    try:
        return client.volumes.get(cluster_volume(lab))
    except NotFound:
        return None


def _join(client: docker.DockerClient, seat: Seat, config: kubeconfig.Kubeconfig) -> Volume:
    """Create a namespace with a quota in the cluster; LabError with what the cluster says."""
    namespace = f"docker-course-{secrets.token_hex(3)}"
    labels = {LABEL: seat.name, CONTEXT: config.context, NAMESPACE: namespace}
    volume: Volume = client.volumes.create(cluster_volume(seat.name), labels=labels)
    with step(f"Create the namespace {namespace} in {config.context}"):
        files = {
            "machine.conf": config.document(namespace),
            "namespace.json": _namespace(namespace, seat.name),
        }
        _put(client, seat.image, seat.name, files)
        try:
            create = ["create", "-f", f"{BESIDE}/namespace.json"]
            _kubectl(client, seat.image, seat.name, *create, f"--request-timeout={ANSWER_SECONDS}s")
        except ContainerError as error:
            volume.remove(force=True)
            raise LabError(
                f"The cluster of kubectl's current context, {config.context}, does not let the lab"
                f" in:\n{_said(error)}",
                "kubectl get namespaces; once that works, bin/lab up --cluster current again; or"
                " bin/lab up --cluster own",
            ) from error
    say(
        f"Using the cluster of the context {config.context}, in the namespace {namespace} (bin/lab"
        " down removes this namespace and nothing else)."
    )
    return volume


def detach(client: docker.DockerClient, lab: str) -> None:
    """Remove the namespace that the lab created in a joined cluster, and the connection to it.

    If that cluster does not answer, say what is left.
    """
    if container := containers.find(client, cluster_volume(lab)):
        container.remove(force=True, v=True)
    volume = _joined(client, lab)
    if volume is None:
        return
    context, namespace = volume.attrs["Labels"][CONTEXT], volume.attrs["Labels"][NAMESPACE]
    # Both must match, so that it is certainly ours.
    selected = ["--selector", f"{LABEL}={lab}", "--field-selector", f"metadata.name={namespace}"]
    with step(f"Remove the namespace {namespace} from {context}"):
        try:
            image = containers.any_lab_image(client)
            delete = ["delete", "namespaces", *selected, f"--timeout={DELETE_SECONDS}s"]
            _kubectl(client, image, lab, *delete)
        except (ContainerError, ImageNotFound) as error:
            say(
                f"The namespace {namespace} could not be removed from the cluster of {context}:"
                f" {_said(error)}\nOnce it answers: kubectl --context {context} delete namespace"
                f" {namespace}"
            )
    if container := containers.find(client, lab):
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
    """Write JSON files into the volume, for root alone, with a container that is never started."""
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
    return {cluster_volume(lab): {"bind": BESIDE, "mode": "rw"}}


def _kubectl(client: docker.DockerClient, image: str, lab: str, *arguments: str) -> None:
    """Call the joined cluster from the machine's own network; ContainerError with its output."""
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


def _relay(client: docker.DockerClient, seat: Seat, host: str, port: int) -> None:
    """Relay the lab's connections from a socket in the volume to the joined cluster's API."""
    name = cluster_volume(seat.name)
    if before := containers.find(client, name):
        before.remove(force=True, v=True)
    address = f"[{host}]" if ":" in host else host
    client.containers.run(
        seat.image,
        ["socat", f"UNIX-LISTEN:{BESIDE}/api.sock,fork,unlink-early", f"TCP:{address}:{port}"],
        name=name,
        detach=True,
        init=True,
        network_mode="host",
        volumes=_mounted(seat.name),
        labels={LABEL: seat.name},
    )


def status(client: docker.DockerClient, lab: str, container: Container) -> Cluster:
    """The cluster of a running lab, queried from inside as a student would."""
    kind = Seat.from_container(container).cluster
    if kind == NONE:
        return Cluster(NONE, ready=False)
    question = ["kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"]
    ready = containers.run(container, question).exit_code == 0
    volume = _joined(client, lab) if kind == CURRENT else None
    labels = volume.attrs["Labels"] if volume else {}
    return Cluster(kind, ready, labels.get(CONTEXT), labels.get(NAMESPACE))


def describe(cluster: Cluster | None) -> str:
    """The cluster in a few words.

    >>> describe(Cluster("current", True, "kind-kind", "docker-course-0a1b2c"))
    'that of kind-kind, in the namespace docker-course-0a1b2c: ready'
    """
    if cluster is None or cluster.kind == NONE:
        return "none: a lab on the machine's own engine cannot have its own"
    name = (
        "its own"
        if cluster.kind == OWN
        else f"that of {cluster.context}, in the namespace {cluster.namespace}"
    )
    return f"{name}: {'ready' if cluster.ready else 'does not answer'}"
