"""Attacks that reach for what is not theirs: hidden tests, other submissions, the gradebook, the
machine, the network.
"""

from .attack import EVERYTHING, Attack

READ = """
import glob, os, subprocess
marker = "hidden" + "-canary"
places = ["/opt/course", "/home", "/tmp", "/run", "@SOCKETS@", "/var", "/etc", "/dev/shm", "/mnt", "/srv", "/template", "/data"]
found = subprocess.run(["grep", "-rlsa", marker, *filter(os.path.exists, places)], capture_output=True, text=True).stdout.split()
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        if marker.encode() in open(path, "rb").read():
            found.append(path)
    except OSError:
        pass
own = str(os.getpid())
for process in (one for one in glob.glob("/proc/[0-9]*") if not one.endswith("/" + own)):
    try:
        with open(f"{process}/maps") as maps, open(f"{process}/mem", "rb") as memory:
            for line in maps:
                if " rw" not in line:
                    continue
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                memory.seek(start)
                if marker.encode() in memory.read(min(end - start, 64 << 20)):
                    found.append(process)
    except (OSError, ValueError):
        pass
if found:
    print("SUCCEEDED", found)
"""
OTHERS = """
import os, pathlib, sqlite3, subprocess
marker = "canary-of-another" + "-student"
for path in ("submitted", "solutions", "gradebook.db", "autograded", "feedback"):
    for start in (".", "..", "../..", "/", "/opt/course", "/home/student"):
        if os.path.exists(f"{start}/{path}"):
            print("SUCCEEDED", start, path)
if subprocess.run(["grep", "-rlsa", marker, "/opt/course", "/home", "/tmp", "/run", "/var", "/dev/shm"], capture_output=True).stdout:
    print("SUCCEEDED")
for line in open("/proc/self/mountinfo"):
    source, target = line.split()[3:5]
    if "submitted" in line or "gradebook" in line:
        print("SUCCEEDED", line)
"""
GRADEBOOK = """
import glob, sqlite3
for path in glob.glob("/**/gradebook.db", recursive=False) + glob.glob("/home/**/gradebook*.db", recursive=True) + glob.glob("/opt/**/gradebook*.db", recursive=True):
    if "/nbgrader/tests/" not in path:
        print("SUCCEEDED", path)
forged = sqlite3.connect("gradebook.db")
forged.execute("create table grade (id text, auto_score real, manual_score real)")
forged.execute("insert into grade values ('total-test', 100, 100)")
forged.commit()
"""
DIALS = """
import socket
def dials(*addresses):
    for address in addresses:
        try:
            socket.create_connection(address, 0.5).close()
            print("SUCCEEDED", address)
        except OSError:
            pass
"""
LOOPBACK = (
    DIALS
    + """
dials(*((host, HOST_PORT) for host in ("127.0.0.1", "::1", "localhost", "172.17.0.1", "10.0.2.2", "host.docker.internal")))
import subprocess
for host in ("172.17.0.1", "10.0.2.2", "10.0.2.3", "host.docker.internal"):
    inside = subprocess.run(["docker", "run", "--rm", "busybox", "timeout", "2", "wget", "-q", "-O-", f"http://{host}:HOST_PORT/"], capture_output=True)
    if inside.returncode == 0:
        print("SUCCEEDED", host)
"""
)
NETWORK = (
    DIALS
    + """
dials(("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("registry-1.docker.io", 443), ("example.com", 80))
for family in (socket.AF_PACKET, socket.AF_INET):
    try:
        socket.socket(family, socket.SOCK_RAW, 1)
        print("SUCCEEDED raw socket")
    except OSError:
        pass
"""
)
SANDBOXES = (
    DIALS
    + """
import glob
for number in range(2, 12):
    dials((f"172.17.0.{number}", 8080), (f"172.17.0.{number}", 2375))
interfaces = [path.rpartition("/")[2] for path in glob.glob("/sys/class/net/*")]
print("interfaces:", interfaces)
if set(interfaces) - {"lo"}:
    print("SUCCEEDED", interfaces)
for path in glob.glob("@SOCKETS@/*/*") + glob.glob("/var/run/*.sock") + glob.glob("/run/*.sock") + glob.glob("/run/user/*/*"):
    if path != "@STUDENT@/docker.sock":
        print("SUCCEEDED", path)
"""
)
REGISTRY = """
import subprocess
def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=20)
docker("tag", "alpine", "localhost:5000/library/busybox:latest")
docker("tag", "alpine", "docker.io/forged/busybox")
for name in ("localhost:5000/library/busybox:latest", "127.0.0.1:5000/busybox", "forged/busybox"):
    if docker("push", name).returncode == 0:
        print("SUCCEEDED", name)
"""
RIGHTS = """
import ctypes, os
for call in (lambda: os.setuid(0), lambda: os.mknod("dev", 0o60600, os.makedev(8, 0)), lambda: os.chroot("/tmp"), lambda: os.unlink("/opt/course/grader/sandbox/inside/relay.py")):
    try:
        call()
        print("SUCCEEDED")
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000):
    if libc.unshare(flag) == 0:
        print("SUCCEEDED unshare", hex(flag))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
if int(status["CapEff"], 16) or int(status["CapPrm"], 16) or status["NoNewPrivs"].strip() != "1":
    print("SUCCEEDED", status["CapEff"])
"""

ATTACKS = [
    Attack(
        "Hidden tests read from disk, environment, process list, memory",
        "they are in the checker's container alone",
        READ,
    ),
    Attack("Other submissions and solutions read", "nothing of the machine is mounted", OTHERS),
    Attack("The gradebook read and written", "it is in neither kernel's reach", GRADEBOOK),
    Attack(
        "Services of the machine reached",
        "no network, in containers neither",
        LOOPBACK,
        answers=EVERYTHING,
    ),
    Attack("The Internet reached", "no network, no raw sockets", NETWORK, answers=EVERYTHING),
    Attack(
        "Other sandboxes and the checker's socket reached",
        "a network of one's own; one socket is mounted",
        SANDBOXES,
        answers=EVERYTHING,
    ),
    Attack("A doctored image pushed to the registry", "the registry is read-only", REGISTRY),
    Attack("More rights taken", "no capabilities, no new privileges, a read-only root", RIGHTS),
]
