"""Services made real: each cluster IP and node port is a socket of this process, which passes
connections on to ready Pods.

What kube-proxy is to a node. The sockets of cluster IPs are in the Service network
(``namespace``), to which this machine has a route; Pods reach it through their gateway, which
is this machine.
"""

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from lab.cluster.model.objects import Obj, name_of, namespace_of
from lab.cluster.network.namespace import ServiceNetwork, bound
from lab.cluster.network.pump import Connected, chunks, pump
from lab.cluster.registry.addresses import API_ADDRESS, DNS_ADDRESS
from lab.cluster.registry.client import Client
from lab.cluster.registry.slices import SLICES
from lab.cluster.registry.targets import ready_targets

LOG = logging.getLogger("proxy")
CONNECT_SECONDS = 5.0
UDP_IDLE_SECONDS = 60.0
MOST = 1000  # connections at a time: each takes two file descriptors of a process that has others
ANYWHERE = "0.0.0.0"


@dataclass(frozen=True)
class Listener:
    """A socket that a Service wants. ``key`` names the Service's port."""

    address: str
    port: int
    protocol: str
    key: tuple[str, str, str]

    @property
    def is_node_port(self) -> bool:
        """Whether it is a TCP port of the node itself."""
        return self.address == ANYWHERE and self.protocol == "TCP"


@dataclass
class _Open:
    server: asyncio.AbstractServer | asyncio.DatagramTransport
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    def close(self) -> None:
        self.server.close()
        for task in self.connections:
            task.cancel()


class ServiceProxy:
    """Keeps a listener for each port of each Service that has ready endpoints; without any,
    connections are refused.

    A node port with a reserved socket (one of another network namespace, for example) is served
    there, too. Such a socket listens from its first use to the end, so that nobody else ever can in
    its place: without ready endpoints, its connections are reset.
    """

    def __init__(
        self,
        client: Client,
        network: ServiceNetwork,
        api_port: int,
        reserved: Mapping[int, socket.socket],
    ) -> None:
        self.client, self.network, self.api_port = client, network, api_port
        self._reserved = dict(reserved)
        self._open: dict[Listener, _Open] = {}
        self._failed: set[Listener] = set()
        self._served = 0
        # Kept: what is not referred to may be collected.
        self._outside: list[asyncio.AbstractServer] = []

    async def run(self) -> None:
        """Until cancelled."""
        with self.client.registry.store.watch() as watching:
            await self._sync()
            try:
                async for event in watching:
                    if event.key[0] in ("services", "endpoints", SLICES):
                        await self._sync()
            finally:
                for opened in self._open.values():
                    opened.close()

    def wanted(self) -> set[Listener]:
        """All sockets there should be now."""
        listeners = set()
        for service in self.client.list("services"):
            spec = service["spec"]
            address = spec.get("clusterIP")
            if not address or address in ("None", DNS_ADDRESS):
                continue
            for port in spec.get("ports") or []:
                key = (namespace_of(service), name_of(service), port.get("name", ""))
                if not self._targets(key):
                    continue
                protocol = port.get("protocol", "TCP")
                listeners.add(Listener(address, port["port"], protocol, key))
                if port.get("nodePort"):
                    listeners.add(Listener(ANYWHERE, port["nodePort"], protocol, key))
        return listeners

    def _targets(self, key: tuple[str, str, str]) -> list[tuple[str, int]]:
        return ready_targets(self.client.registry.store, *key)

    async def _sync(self) -> None:
        wanted = self.wanted()
        for listener in set(self._open) - wanted:
            self._open.pop(listener).close()
        self._failed &= wanted
        node_ports = {listener.port for listener in wanted if listener.is_node_port}
        for port in node_ports & set(self._reserved):
            await self._listen_outside(port, self._reserved.pop(port))
        for listener in wanted - set(self._open) - self._failed:
            try:
                self._open[listener] = await self._listen(listener)
            except OSError as error:
                self._failed.add(listener)
                LOG.warning(
                    "service %s/%s is not reached at %s:%d: %s",
                    *listener.key[:2],
                    listener.address,
                    listener.port,
                    error,
                )

    async def _listen(self, listener: Listener) -> _Open:
        if listener.protocol == "UDP":
            loop = asyncio.get_running_loop()
            bound = self._bound(listener, socket.SOCK_DGRAM)
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Relay(self, listener), sock=bound
            )
            return _Open(transport)
        connections: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            connections.add(task)
            try:
                await self._serve(listener, reader, writer)
            finally:
                connections.discard(task)

        return _Open(
            await asyncio.start_server(accept, sock=self._bound(listener, socket.SOCK_STREAM)),
            connections,
        )

    def _bound(self, listener: Listener, kind: socket.SocketKind) -> socket.socket:
        """Node ports are this machine's own, cluster IPs are addresses of the Service network."""
        if listener.address != ANYWHERE:
            return self.network.socket(listener.address, listener.port, kind)
        return bound(ANYWHERE, listener.port, kind)

    async def _listen_outside(self, port: int, reserved: socket.socket) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            node_ports = (listener for listener in self._open if listener.is_node_port)
            served = next((listener for listener in node_ports if listener.port == port), None)
            if served is None:
                writer.transport.abort()
                return
            await self._serve(served, reader, writer)

        self._outside.append(await asyncio.start_server(accept, sock=reserved))

    def choose(self, key: tuple[str, str, str]) -> tuple[str, int] | None:
        if key[:2] == ("default", "kubernetes"):
            return "127.0.0.1", self.api_port
        targets = self._targets(key)
        return random.choice(targets) if targets else None  # noqa: S311 (spreads load, guards nothing)

    async def _serve(
        self, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass one connection on to an endpoint."""
        target = self.choose(listener.key) if self._served < MOST else None
        self._served += 1
        try:
            if target is not None:
                async with asyncio.timeout(CONNECT_SECONDS):
                    to_pod = await asyncio.open_connection(*target)
                await _both_ways((reader, writer), to_pod)
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._served -= 1
            writer.close()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(client: Ends, server: Ends) -> None:
    to_server = pump(chunks(client[0]), Connected(server[1]))
    to_client = pump(chunks(server[0]), Connected(client[1]))
    try:
        await asyncio.gather(to_server, to_client)
    finally:
        server[1].close()


class _Relay(asyncio.DatagramProtocol):
    """Datagrams to an endpoint and its answers back, a socket for each client."""

    def __init__(self, proxy: ServiceProxy, listener: Listener) -> None:
        self.proxy, self.listener = proxy, listener
        self.flows: dict[tuple[str, int], asyncio.DatagramTransport] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        flow = self.flows.get(addr)
        if flow is not None and not flow.is_closing():
            flow.sendto(data)
            return
        task = asyncio.ensure_future(self._open(data, addr))
        task.add_done_callback(lambda done: done.exception() if not done.cancelled() else None)

    async def _open(self, data: bytes, addr: tuple[str, int]) -> None:
        target = self.proxy.choose(self.listener.key)
        if target is None or len(self.flows) >= MOST:
            return
        loop = asyncio.get_running_loop()
        flow, _ = await loop.create_datagram_endpoint(
            lambda: _Back(self.transport, addr), remote_addr=target
        )
        self.flows[addr] = flow
        flow.sendto(data)
        loop.call_later(UDP_IDLE_SECONDS, self._close, addr)

    def _close(self, addr: tuple[str, int]) -> None:
        flow = self.flows.pop(addr, None)
        if flow is not None:
            flow.close()


class _Back(asyncio.DatagramProtocol):
    def __init__(self, transport: asyncio.DatagramTransport, addr: tuple[str, int]) -> None:
        self.transport, self.addr = transport, addr

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self.transport.sendto(data, self.addr)


def dns_service() -> Obj:
    """The Service of the cluster's DNS, which this process answers itself."""
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    labels = {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    meta = {"name": "kube-dns", "namespace": "kube-system", "labels": labels}
    return {
        "metadata": meta,
        "spec": {"clusterIP": DNS_ADDRESS, "ports": ports, "selector": {"k8s-app": "kube-dns"}},
    }


def api_service(port: int) -> Obj:
    """The Service ``kubernetes``, by which Pods reach the API server."""
    meta = {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    }
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]
    return {"metadata": meta, "spec": {"clusterIP": API_ADDRESS, "ports": ports}}
