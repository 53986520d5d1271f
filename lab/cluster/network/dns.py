"""The cluster's DNS: Services and Pods by name; the rest is asked of the machine's resolver."""

import asyncio
import logging
import socket
from collections.abc import Iterable
from typing import cast

from dnslib import AAAA, CNAME, PTR, QTYPE, RCODE, RR, SRV, A, DNSError, DNSRecord

from lab.cluster.model.objects import Obj, at, name_of, namespace_of
from lab.cluster.network.namespace import ServiceNetwork
from lab.cluster.registry.addresses import DNS_ADDRESS, DOMAIN
from lab.cluster.registry.client import Client

LOG = logging.getLogger("dns")
TTL = 30
PORT = 53


class Names:
    """What the cluster's names stand for."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def service(self, name: str, namespace: str) -> Obj | None:
        return self.client.get("services", namespace, name)

    def addresses(self, labels: list[str]) -> list[str] | None:
        """Addresses of ``[POD.]SERVICE.NAMESPACE``; None when there is no such name."""
        if len(labels) < 2:
            return None
        service = self.service(labels[-2], labels[-1])
        if service is None:
            return None
        ready = self._endpoints(service)
        if len(labels) == 2:
            own = at(service, "spec", "clusterIP")
            return [own] if own and own != "None" else [address for address, _ in ready]
        matching = [
            address for address, host in ready if labels[-3] in (host, address.replace(".", "-"))
        ]
        return matching or None

    def external_name(self, labels: list[str]) -> str | None:
        service = self.service(labels[-2], labels[-1]) if len(labels) == 2 else None
        return (
            at(service, "spec", "externalName")
            if at(service, "spec", "type") == "ExternalName"
            else None
        )

    def _endpoints(self, service: Obj) -> list[tuple[str, str]]:
        """Address and host name of each ready Pod of a Service."""
        endpoints_of = []
        endpoints = self.client.get("endpoints", namespace_of(service), name_of(service)) or {}
        for subset in endpoints.get("subsets") or []:
            for address in subset.get("addresses") or []:
                pod = (
                    self.client.get(
                        "pods", namespace_of(service), at(address, "targetRef", "name", default="")
                    )
                    or {}
                )
                endpoints_of.append((address["ip"], str(at(pod, "spec", "hostname", default=""))))
        return endpoints_of

    def ports(self, labels: list[str]) -> Iterable[tuple[int, str]]:
        """Port and target of ``_NAME._PROTOCOL.SERVICE.NAMESPACE``."""
        service = self.service(labels[2], labels[3]) if len(labels) == 4 else None
        for port in at(service, "spec", "ports", default=[]):
            if (
                f"_{port.get('name', '')}" == labels[0]
                and f"_{port.get('protocol', 'TCP').lower()}" == labels[1]
            ):
                yield port["port"], f"{labels[2]}.{labels[3]}.svc.{DOMAIN}"

    def reverse(self, address: str) -> str | None:
        for service in self.client.list("services"):
            if at(service, "spec", "clusterIP") == address:
                return f"{name_of(service)}.{namespace_of(service)}.svc.{DOMAIN}"
        return None


class Resolver:
    """The cluster's DNS server: CoreDNS, without its configuration.

    It answers for the cluster's domain by ``Names``, and asks this machine's resolver about the
    rest. ``serve`` gives it the packets.
    """

    def __init__(self, names: Names) -> None:
        self.names = names

    async def answer(self, packet: bytes) -> bytes | None:
        """The reply to a packet; None when it is no question."""
        try:
            request = DNSRecord.parse(packet)
        except (DNSError, UnicodeDecodeError, ValueError, IndexError):
            return None
        reply = request.reply()
        question = str(request.q.qname).rstrip(".").lower()
        kind = QTYPE.get(request.q.qtype)
        if question == DOMAIN or question.endswith(f".{DOMAIN}"):
            self._local(reply, question, kind)
        elif question.endswith(".in-addr.arpa"):
            target = self.names.reverse(
                ".".join(reversed(question.removesuffix(".in-addr.arpa").split(".")))
            )
            if target:
                reply.add_answer(RR(question, QTYPE.PTR, rdata=PTR(target), ttl=TTL))
            else:
                reply.header.rcode = RCODE.NXDOMAIN
        else:
            await self._outside(reply, question, kind)
        return bytes(reply.pack())

    def _local(self, reply: DNSRecord, question: str, kind: str) -> None:
        reply.header.aa = 1
        labels = question.removesuffix(DOMAIN).rstrip(".").split(".")
        if labels[-1] == "svc" and kind == "SRV":
            for port, target in self.names.ports(labels[:-1]):
                reply.add_answer(RR(question, QTYPE.SRV, rdata=SRV(0, 100, port, target), ttl=TTL))
            return
        alias = (
            self.names.external_name(labels[:-1])
            if labels[-1] == "svc" and len(labels) == 3
            else None
        )
        if alias:
            reply.add_answer(RR(question, QTYPE.CNAME, rdata=CNAME(alias), ttl=TTL))
            return
        addresses = self.names.addresses(labels[:-1]) if labels[-1] == "svc" else None
        if addresses is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif kind in ("A", "ANY"):
            for address in addresses:
                reply.add_answer(RR(question, QTYPE.A, rdata=A(address), ttl=TTL))

    async def _outside(self, reply: DNSRecord, question: str, kind: str) -> None:
        families = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
        if kind not in families:
            return
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(
                question, None, family=families[kind], type=socket.SOCK_STREAM
            )
        except OSError as error:
            missing = getattr(error, "errno", None) in (socket.EAI_NONAME, socket.EAI_NODATA)
            reply.header.rcode = RCODE.NXDOMAIN if missing else RCODE.SERVFAIL
            return
        for address in dict.fromkeys(str(entry[4][0]) for entry in answers):
            data = A(address) if kind == "A" else AAAA(address)
            reply.add_answer(RR(question, families_type(kind), rdata=data, ttl=TTL))


def families_type(kind: str) -> int:
    return int(QTYPE.A if kind == "A" else QTYPE.AAAA)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._reply(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self.resolver.answer(data)
        if answer is not None:
            self.transport.sendto(answer, addr)


async def serve(client: Client, network: ServiceNetwork) -> None:
    """Answer at the cluster's DNS address, over UDP and TCP, until cancelled."""
    resolver = Resolver(Names(client))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(resolver), sock=network.socket(DNS_ADDRESS, PORT, socket.SOCK_DGRAM)
    )

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(2))
            answer = await resolver.answer(await reader.readexactly(size))
            if answer is not None:
                writer.write(len(answer).to_bytes(2) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(
        accept, sock=network.socket(DNS_ADDRESS, PORT, socket.SOCK_STREAM)
    )
    try:
        await asyncio.Event().wait()
    finally:
        transport.close()
        server.close()
