"""Conversations with the guard as no client leads them, each drawn from a number: pieces of heads
and bodies, upgrades, waits, half closes, and further requests that ask for what nobody may have.

The standard library alone is imported: ``tests/grader/sandbox/test_connections.py`` runs this file
in the student's kernel of a sandbox.
"""

import itertools
import json
import random
import re
import socket
import time
from collections.abc import Iterator

# "send" these bytes, "wait" as long as something comes, "answer": until something comes, "end" what
# is said, "rest": hear what comes to its end.
Step = tuple[str, bytes]
UPGRADES = (
    "tcp",
    "h2c",
    "TCP",
    "websocket",
    "tcp, h2c",
    "tcp\r\nUpgrade: h2c",
    "h2c\r\nupgrade: tcp",
)
HOPS = (
    "Upgrade",
    "upgrade",
    "close",
    "keep-alive",
    "Upgrade, HTTP2-Settings",
    "Upgrade\r\nConnection: close",
)
EXTRAS = (
    "Expect: 100-continue",
    "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
    "Trailer: X",
    "Transfer-Encoding: gzip",
)
BODIES = (
    b"",
    b"{}",
    b'{"Detach":false,"Tty":false}',
    b'{"Detach":true}',
    b'{"Image":"busybox"}',
    b"x" * 3000,
)
STOLEN = {"Privileged": True, "Binds": ["/:/host", "/sockets/checker:/checker"]}
QUIET_SECONDS = 0.03  # without a byte: the other side waits, too
REST_SECONDS, END_SECONDS = 1.0, 5.0


def targets(routes: list[tuple[str, str]], identity: str) -> list[tuple[str, str]]:
    """A method and a path for each way through each route's pattern."""
    found = []
    for method, pattern in routes:
        plain = re.sub(r"\(\?P<id>[^()]*\)", identity, pattern)
        options = re.search(r"\(([^()]*)\)", plain)
        words = options[1].split("|") if options else [""]
        found += [(method, re.sub(r"\([^()]*\)", word, plain)) for word in words]
    return found


def forbidden(draw: random.Random, name: str) -> bytes:
    """A request that no guard may hand on."""
    body = json.dumps({"Image": "busybox", "Cmd": ["true"], "HostConfig": STOLEN}).encode()
    head = f"POST /v1.45/containers/create?name={name} HTTP/1.1\r\nHost: d\r\n"
    head += "Content-Type: application/json\r\n"
    if draw.random() < 0.3:
        return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            len(body),
            body,
        )
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def conversation(seed: int, ways: list[tuple[str, str]]) -> list[Step]:
    """What one client does on one connection."""
    draw = random.Random(seed)
    method, path = draw.choice(ways)
    query = draw.choice(["", "", "?stream=1&stdin=1&stdout=1", f"?name=honest-{seed}"])
    version = draw.choice(["", "/v1.45", "/v1.24"])
    lines = [f"{method} {version}{path}{query} HTTP/1.{draw.choice('1110')}", "Host: d"]
    if draw.random() < 0.7:
        lines += [f"Upgrade: {draw.choice(UPGRADES)}", f"Connection: {draw.choice(HOPS)}"]
    if draw.random() < 0.2:
        lines.append(draw.choice(EXTRAS))
    body = draw.choice(BODIES)
    framing = draw.choice(["length", "length", "short", "long", "chunked", "none"])
    if framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif framing != "none":
        length = len(body) + {"length": 0, "short": -min(len(body), 5), "long": 5}[framing]
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    said = "\r\n".join([*lines, "", ""]).encode() + body
    later = b"".join(
        forbidden(draw, f"stolen-{seed}-{number}") for number in range(draw.choice([1, 1, 2]))
    )
    return [
        *_torn(draw, said, draw.choice([0, 0, 1, 3])),
        *_between(draw),
        *_torn(draw, later, draw.choice([0, 1])),
        *_between(draw),
    ]


def _torn(draw: random.Random, said: bytes, cuts: int) -> Iterator[Step]:
    places = sorted({0, len(said), *(draw.randrange(len(said)) for _ in range(cuts))})
    for start, end in itertools.pairwise(places):
        yield "send", said[start:end]
        if draw.random() < 0.3:
            yield "wait", b""


def _between(draw: random.Random) -> list[Step]:
    return draw.choice([[], [], [("wait", b"")], [("wait", b""), ("wait", b"")], [("end", b"")]])


def lead(path: str, steps: list[Step]) -> bytes:
    """Lead a conversation at a socket; all that was answered."""
    heard = b""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        try:
            for kind, data in steps:
                if kind == "send":
                    client.sendall(data)
                elif kind == "end":
                    client.shutdown(socket.SHUT_WR)
                elif kind == "answer":
                    client.settimeout(END_SECONDS)
                    heard += client.recv(65_536)
                elif kind == "rest":
                    heard += _hear(client, REST_SECONDS)
                else:
                    heard += _hear(client, QUIET_SECONDS)
            heard += _hear(client, QUIET_SECONDS)
        except OSError:  # it hangs up when it has heard enough
            pass
    return heard


def _hear(client: socket.socket, quiet: float) -> bytes:
    heard, end = b"", time.monotonic() + END_SECONDS
    client.settimeout(quiet)
    try:
        while time.monotonic() < end and (piece := client.recv(65_536)):
            heard += piece
    except TimeoutError:
        pass
    client.settimeout(END_SECONDS)
    return heard
