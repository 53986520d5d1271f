"""All parts put together: one process that is a cluster."""

import asyncio
import contextlib
import logging
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from lab.cluster import controllers
from lab.cluster.apiserver import auth, pki
from lab.cluster.apiserver.connections import Connections
from lab.cluster.apiserver.openapi import OpenAPI
from lab.cluster.apiserver.proxy import Proxy
from lab.cluster.apiserver.server import APIServer
from lab.cluster.apiserver.streams import Streams
from lab.cluster.controllers.base import run as run_controllers
from lab.cluster.controllers.nodelifecycle import GRACE_SECONDS
from lab.cluster.kubelet.engine import Engine
from lab.cluster.kubelet.host import Machine
from lab.cluster.kubelet.kubelet import HEARTBEAT_SECONDS, Kubelet
from lab.cluster.kubelet.machines import Machines
from lab.cluster.kubelet.podnetwork import PodNetwork
from lab.cluster.kubelet.runtime import Runtime
from lab.cluster.model.objects import Obj, at, is_true, name_of, namespace_of, uid_of
from lab.cluster.model.resources import Resources
from lab.cluster.model.schema import Schemas
from lab.cluster.network import dns
from lab.cluster.network.machines import MachineAddresses
from lab.cluster.network.namespace import ServiceNetwork
from lab.cluster.network.serviceproxy import ServiceProxy, api_service, dns_service
from lab.cluster.registry.addresses import DNS_ADDRESS
from lab.cluster.registry.admission import PRIORITY_CLASSES
from lab.cluster.registry.client import Client
from lab.cluster.registry.machines import OFF, ON, POD_NETWORKS, POWER, power_of
from lab.cluster.registry.registry import Registry
from lab.cluster.registry.slices import SERVICE, SLICES
from lab.cluster.registry.store import Store
from lab.cluster.scheduler.scheduler import Scheduler

LOG = logging.getLogger("cluster")
LOOPBACK = "127.0.0.1"
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
PRIORITIES = (
    (
        "system-cluster-critical",
        2_000_000_000,
        (
            "Used for system critical pods that must run in the cluster, but can be moved to"
            " another node if necessary."
        ),
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
)
IDLE_SECONDS = 3600.0
RESTART_SECONDS = 1.0
HEARTBEATS = 5
SETTLE_SECONDS = 30.0  # what first Pods need is there long before; after that, it serves without


@dataclass(frozen=True)
class Options:
    """How to start: where the kubeconfig goes, the port (0: any), and where state is kept (None:
    nowhere).

    ``student_kubeconfig``: where credentials go of somebody whose work this cluster is to judge.
    ``reserved``: sockets that are bound already, by their port, on which the API and node ports are
    served as well.
    ``nodes``: how many there are at least. ``grace_seconds``: how long a node may be silent before
    it counts as NotReady (a real cluster's ``--node-monitor-grace-period``).
    """

    kubeconfig: Path
    port: int = 6443
    data: Path | None = None
    pause_image: str = "busybox"
    context: str = pki.CONTEXT
    student_kubeconfig: Path | None = None
    reserved: Mapping[int, socket.socket] = field(default_factory=dict)
    nodes: int = 1
    grace_seconds: float = GRACE_SECONDS


def own_address() -> str:
    """The address by which this machine reaches others; loopback when it reaches none."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return LOOPBACK
        return str(probe.getsockname()[0])


def _service_network() -> ServiceNetwork | None:
    """The Service network, where this process may make one."""
    try:
        return ServiceNetwork()
    except OSError as error:
        LOG.warning(
            "cluster IPs, node ports and DNS are not served: %s. The Service network needs"
            " CAP_SYS_ADMIN, CAP_NET_ADMIN and the command ip",
            error,
        )
        return None


class Cluster:
    """A whole cluster in one process: its parts, and the order in which they start.

    Real clusters run each part as a program of its own that talks to the API server over HTTP;
    here all parts share the registry, and only kubectl and Pods come over HTTP. A part that fails
    is started again. ``python -m lab.cluster`` runs one.
    """

    def __init__(self, options: Options, engine: Engine) -> None:
        self.options = options
        if options.data:
            options.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(options.data / "objects.db" if options.data else None)
        self.registry = Registry(self.store, Resources(), Schemas())
        self.credentials = pki.load(options.data)
        self.address, self.node = own_address(), socket.gethostname().lower()
        self.system = Client(self.registry, "kube-apiserver")
        self._bootstrap()
        system_namespace = self.store.get(("namespaces", "", "kube-system")) or {}
        self.network = PodNetwork(engine, uid_of(system_namespace))
        first = Machine(self.node, self.address, str(POD_NETWORKS[0]), is_control_plane=True)
        self.machines = Machines(Client(self.registry, "kubelet"), first, self._kubelet)
        authorizer = auth.Authorizer(self.store)
        self.server = APIServer(
            self.registry,
            auth.Authenticator(self.credentials, self.store),
            authorizer,
            OpenAPI(self.registry.schemas, self.registry.resources),
            Streams(self.machines.kubelet_of, engine),
            Proxy(self.registry),
        )

    # ---------------------------------------------------------------- first start

    def _bootstrap(self) -> None:
        """What every cluster has from its beginning; what is there already is left alone."""
        for name in NAMESPACES:
            self._ensure("namespaces", {"metadata": {"name": name}})
        for obj in (*auth.BOOTSTRAP, *(auth.STUDENT if self.options.student_kubeconfig else ())):
            self._ensure(auth.bootstrap_name(obj)[0], obj)
        for name, value, description in PRIORITIES:
            obj = {"metadata": {"name": name}, "value": value, "description": description}
            self._ensure(PRIORITY_CLASSES, obj)
        self._ensure("services", dns_service())
        self._add_nodes()
        for crd in self.store.list("customresourcedefinitions.apiextensions.k8s.io"):
            self.registry.resources.serve_custom(crd)

    def _add_nodes(self) -> None:
        for name in self._other_nodes():
            meta = {"name": name, "annotations": {POWER: ON}}
            self._ensure("nodes", {"metadata": meta})

    def _other_nodes(self) -> list[str]:
        """The names of the nodes beyond the first that this start asks for."""
        return [f"{self.node}-{number}" for number in range(2, self.options.nodes + 1)]

    def _kubelet(self, machine: Machine) -> Kubelet:
        options = self.options
        runtime = Runtime(
            self.network, machine.name, machine.pod_cidr, DNS_ADDRESS, options.pause_image
        )
        # Several of them in a grace period, so that a late one does no harm.
        heartbeat = min(HEARTBEAT_SECONDS, options.grace_seconds / HEARTBEATS)
        client = Client(self.registry, "kubelet")
        return Kubelet(client, runtime, machine, self._token, heartbeat)

    def _ensure(self, resource: str, obj: Obj) -> None:
        if self.system.get(resource, namespace_of(obj), name_of(obj)) is None:
            self.system.create(resource, obj)

    def _publish_server(self, port: int) -> None:
        """The Service ``kubernetes`` and its endpoints, with the port of this start."""
        self._ensure("services", api_service(port))
        meta = {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        }
        listed = {"name": "https", "port": port, "protocol": "TCP"}
        subsets = [{"addresses": [{"ip": self.address}], "ports": [listed]}]
        endpoint = {"addresses": [self.address], "conditions": {"ready": True}}
        labels = {SERVICE: "kubernetes"}
        slice_ = {
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [endpoint],
            "ports": [listed],
        }
        self._ensure("endpoints", {"metadata": meta, "subsets": subsets})
        self._ensure(SLICES, slice_)

        def move(fresh: Obj) -> None:
            if "subsets" in fresh:
                fresh["subsets"] = subsets
            else:
                fresh |= {"endpoints": [endpoint], "ports": [listed]}

        for resource in ("endpoints", SLICES):
            stored = self.system.get(resource, "default", "kubernetes")
            if stored is not None:
                self.system.change(resource, stored, move)

    def _token(self, pod: Obj, seconds: int, audience: str) -> str:
        """A token for the Pod's service account."""
        account = at(pod, "spec", "serviceAccountName", default="default")
        account_object = self.store.get(("serviceaccounts", namespace_of(pod), account)) or {}
        identity = {"namespace": namespace_of(pod), "name": account, "uid": uid_of(account_object)}
        holder = {"name": name_of(pod), "uid": uid_of(pod)}
        return pki.service_account_token(
            self.credentials, identity, seconds, [audience or pki.ISSUER], holder
        )

    # -------------------------------------------------------------------- running

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Everything started; the port it listens on."""
        with tempfile.TemporaryDirectory() as folder:
            context = pki.server_context(self.credentials, Path(folder))
        runner = web.AppRunner(
            self.server.application(),
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=0.5,
            handle_signals=False,
        )
        await runner.setup()
        connections = Connections(cast(web.Server, runner.server), context)
        self.server.asked = connections.asked
        listener = socket.create_server((LOOPBACK, self.options.port))
        port = int(listener.getsockname()[1])
        connections.listen(listener)
        if outside := self.options.reserved.get(port):
            connections.listen(outside)
        self._publish_server(port)
        self._write_kubeconfigs(f"https://{LOOPBACK}:{port}")
        network = _service_network()
        tasks = [
            asyncio.ensure_future(self._supervise(name, start))
            for name, start in self._parts(port, network)
        ]
        await self._settle()
        self.server.ready = True
        try:
            yield port
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.options.data is None:
                await self.network.remove_everything()
            self.store.close()
            await connections.close()
            await runner.cleanup()

    def _write_kubeconfigs(self, server: str) -> None:
        options = self.options
        pki.write_private(
            options.kubeconfig, pki.kubeconfig(self.credentials, server, options.context)
        )
        if options.student_kubeconfig:
            pki.write_private(
                options.student_kubeconfig,
                pki.student_kubeconfig(self.credentials, server, options.context),
            )

    async def _settle(self) -> None:
        """Until what first Pods need is there: their namespace's account, and all nodes that this
        start asks for.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            account = self.system.get("serviceaccounts", "default", "default")
            if account and self.system.get("nodes", "", self.node) and self._others_are_ready():
                return
            await asyncio.sleep(0.005)

    def _others_are_ready(self) -> bool:
        """Whether each node beyond the first is, except where it is switched off."""
        nodes = (self.system.get("nodes", "", name) for name in self._other_nodes())
        return all(node and (power_of(node) == OFF or is_true(node, "Ready")) for node in nodes)

    def _parts(self, port: int, network: ServiceNetwork | None) -> list[tuple[str, Any]]:
        controller_client = Client(self.registry, "kube-controller-manager")
        listed = controllers.all_controllers(
            controller_client,
            self.credentials.authority.certificate.decode(),
            self.options.grace_seconds,
        )
        parts = [
            ("controller-manager", lambda: run_controllers(listed, controller_client)),
            ("scheduler", Scheduler(Client(self.registry, "kube-scheduler"), self.node).run),
            ("kubelets", self.machines.run),
        ]
        if network is None:
            return parts
        proxy_client = Client(self.registry, "kube-proxy")
        return [
            *parts,
            ("proxy", ServiceProxy(proxy_client, network, port, self.options.reserved).run),
            ("dns", lambda: dns.serve(proxy_client, network)),
            ("machines' addresses", MachineAddresses(proxy_client).run),
        ]

    async def _supervise(self, name: str, start: Any) -> None:
        """Run a part; one that fails is started again, and takes nothing else with it."""
        while True:
            try:
                work: Coroutine[Any, Any, None] = start()
                await work
            except asyncio.CancelledError:
                raise
            except Exception:
                LOG.exception("%s failed; it is started again", name)
            await asyncio.sleep(RESTART_SECONDS)
