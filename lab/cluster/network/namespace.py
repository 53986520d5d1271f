"""The Service network: a network namespace in which every address of it is local, and in which the
sockets of Services are opened.

In this machine's own namespace they would be in the way of others: a container that publishes port
80 wants it at all of the machine's addresses, and the engine would lead requests for port 80 of a
Service to that container. A namespace lives as long as somebody has it open: whatever ends this
process, the namespace goes, and with it the link to it and the route.
"""

import ctypes
import ipaddress
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab.cluster.registry.addresses import SERVICE_NETWORK

CLONE_NEWNET = 0x40000000  # linux/sched.h
LINKS = ipaddress.ip_network("169.254.96.0/20")  # of which each cluster's link has four addresses
_libc = ctypes.CDLL(None, use_errno=True)


class ServiceNetwork:
    """Sockets at addresses of Services.

    Raises OSError where the namespace is refused (CAP_SYS_ADMIN), or its link (CAP_NET_ADMIN,
    ``ip``).
    """

    def __init__(self) -> None:
        process = os.getpid()
        name, first = f"services{process}", 4 * (process % (LINKS.num_addresses // 4))
        outside, inside = LINKS[first + 1], LINKS[first + 2]
        self._outside = _present_namespace()
        _call("unshare", CLONE_NEWNET)
        try:
            self._inside = _present_namespace()
            ip(
                "link set lo up",
                f"link add eth0 type veth peer name {name} netns"
                f" /proc/{process}/fd/{self._outside}",
                f"address add {inside}/30 dev eth0",
                "link set eth0 up",
                f"route add default via {outside}",
                f"route add local {SERVICE_NETWORK} dev lo",
            )
        finally:
            _call("setns", self._outside, CLONE_NEWNET)
        ip(
            f"address add {outside}/30 dev {name}",
            f"link set {name} up",
            # before that of a cluster that is about to end
            f"route prepend {SERVICE_NETWORK} via {inside}",
        )

    def socket(self, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
        """A socket that is bound to an address of the network. Raises OSError if that is taken."""
        with self._entered():
            return bound(address, port, kind)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """What this thread opens belongs to the network. Nothing may be awaited meanwhile."""
        _call("setns", self._inside, CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", self._outside, CLONE_NEWNET)


def bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket for asyncio, bound in this thread's namespace. OSError if the address is taken."""
    opened = socket.socket(socket.AF_INET, kind)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def _present_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _call(name: str, *arguments: int) -> None:
    """A system call about namespaces, for this thread. Raises OSError."""
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def ip(*commands: str) -> None:
    """Commands of ``ip``, in the namespace of this thread. Raises OSError."""
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"ip: {done.stderr.strip()}")
