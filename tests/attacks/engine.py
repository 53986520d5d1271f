"""Attacks through the student's Docker socket: on the engine that is asked about their work, and on
what it answers.
"""

from .attack import EVERYTHING, Attack

GUARD = "the guard on the student's socket"
TRIES = r"""
import os, subprocess
def docker(*words, **options):
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **options)
def gets(text, *words):
    said = docker(*words)
    print(said.stderr.strip()[-200:])
    if text in said.stdout:
        print("SUCCEEDED", words)
"""
CHECKERS_SOCKET = (
    TRIES
    + r"""
docker("rm", "-f", "holder")
look = ("busybox", "find", "/s", "-name", "docker.sock")
gets("docker.sock", "run", "--rm", "-v", "@SOCKETS@:/s", *look)
gets("docker.sock", "run", "--rm", "-v", "@CHECKER@:/s", *look)
gets("docker.sock", "run", "--rm", "--mount", "type=bind,source=@CHECKER@,target=/s", *look)
gets("docker.sock", "run", "--rm", "-v", "@WORK@/../../..@SOCKETS@:/s", *look)
os.symlink("@SOCKETS@", "link")
gets("docker.sock", "run", "--rm", "-v", os.getcwd() + "/link:/s", *look)
gets("docker.sock", "run", "--rm", "-v", os.getcwd() + "/link/checker:/s", *look)
docker("volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device=@CHECKER@", "checker")
gets("docker.sock", "run", "--rm", "-v", "checker:/s", *look)
docker("create", "--name", "holder", "-v", "@SOCKETS@:/s", "busybox")
gets("docker.sock", "run", "--rm", "--volumes-from", "holder", *look)
gets("overlay2", "run", "--rm", "-v", "/data:/s", "busybox", "ls", "/s")
"""
)
RIGHTS = (
    TRIES
    + r"""
run = ("run", "--rm")
yes = ("busybox", "sh", "-c", "mount -t tmpfs none /mnt && echo taken")
for option in (["--privileged"], ["--cap-add", "ALL"], ["--cap-add", "SYS_ADMIN"], ["--cap-add", "cap_sys_admin", "--security-opt", "apparmor=unconfined"]):
    gets("taken", *run, *option, *yes)
gets("tun", *run, "--device", "/dev/net/tun", "busybox", "ls", "/dev/net")
docker("run", "-d", "--name", "plain", "busybox", "sleep", "60")
gets("taken", "exec", "--privileged", "plain", "sh", "-c", "mount -t tmpfs none /mnt && echo taken")
docker("rm", "-f", "plain")
"""
)
NAMESPACES = (
    TRIES
    + r"""
gets("dockerd", "run", "--rm", "--pid", "host", "busybox", "ps")
docker("run", "--rm", "--pid", "host", "busybox", "sh", "-c", "killall -9 dockerd containerd rootlesskit")
docker("run", "--rm", "--privileged", "--pid", "host", "busybox", "sh", "-c", "kill -9 -1")
gets("tap0", "run", "--rm", "--network", "host", "busybox", "ip", "addr")
gets("200", "run", "--rm", "--network", "host", "busybox", "wget", "-S", "-O-", "http://127.0.0.1:5000/v2/")
gets("taken", "run", "--rm", "--ipc", "host", "busybox", "echo", "taken")
gets("taken", "run", "--rm", "--cgroupns", "host", "busybox", "echo", "taken")
gets("taken", "run", "--rm", "--cgroup-parent", "/", "busybox", "echo", "taken")
"""
)
BUILDS = (
    TRIES
    + r"""
def builds(dockerfile, *options, **environment):
    done = subprocess.run(["docker", "build", "--progress", "plain", "--no-cache", *options, "-"], input=dockerfile, capture_output=True, text=True, timeout=20, env=os.environ | environment)
    print(done.stderr.strip()[-200:])
    if "tap0" in done.stderr + done.stdout or "taken-" + "rights" in done.stderr.replace("taken-$", ""):
        print("SUCCEEDED", options, environment)
builds("FROM busybox\nRUN ip addr", "--network", "host")
builds("FROM busybox\nRUN --network=host ip addr")
builds("FROM busybox\nRUN ip addr", "--network", "host", DOCKER_BUILDKIT="0")
builds("FROM busybox\nRUN --security=insecure mount -t tmpfs none /mnt && r=rights && echo taken-$r", "--allow", "security.insecure")
"""
)
ORCHESTRATION = (
    TRIES
    + r"""
import socket, json
for words in (("swarm", "init", "--advertise-addr", "127.0.0.1"), ("plugin", "ls"), ("plugin", "install", "--grant-all-permissions", "x"),
              ("node", "ls"), ("config", "ls")):
    if docker(*words).returncode == 0 and words[1] != "ls":
        print("SUCCEEDED", words)
body = json.dumps({"image": "busybox", "Image": "busybox", "Cmd": ["true"], "hostconfig": {"privileged": True, "PRIVILEGED": True}})
def created(head, body):
    with socket.socket(socket.AF_UNIX) as there:
        there.settimeout(3)
        there.connect("@STUDENT@/docker.sock")
        there.sendall((head + "\r\nHost: docker\r\nContent-Type: application/json\r\n" + body).encode())
        answer = b""
        try:
            while piece := there.recv(65536):
                answer += piece
        except OSError:
            pass
    return b"\"Id\"" in answer
plain = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
chunked = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + "".join(f"1\r\n{one}\r\n" for one in body) + "0\r\n\r\n"
for path in ("/containers/create", "/v1.24/containers/create", "/v1.45/containers/create", "//containers/create", "/v1.45/./containers/create"):
    for form in (plain, chunked):
        if created(f"POST {path} HTTP/1.1", form):
            print("SUCCEEDED", path)
"""
)
SOCKET_REPLACED = r"""
import glob, os, socket, threading
for path in glob.glob("@STUDENT@/*"):
    os.unlink(path)
fake = socket.socket(socket.AF_UNIX)
fake.bind("@STUDENT@/docker.sock")
fake.listen()
def serve():
    while True:
        there, _ = fake.accept()
        there.recv(65536)
        there.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        there.close()
threading.Thread(target=serve, daemon=True).start()
"""
RETAGGED = """
import subprocess
def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
serve = "mkdir -p /www; echo Welcome > /www/index.html; exec httpd -f -h /www"
docker("run", "--name", "doctor", "alpine", "sh", "-c", "mkdir /www; touch /doctored")
docker("commit", "-c", f'CMD ["sh", "-c", "{serve}"]', "doctor", "doctored")
docker("tag", "doctored", "busybox")
docker("run", "-d", "--name", "web", "-p", "8080:80", "busybox")
"""
LABELS = """
import subprocess
def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True)
serve = "mkdir /www; echo Welcome > /www/index.html; exec httpd -f -h /www"
docker("network", "create", "web")
docker("volume", "create", "web")
docker("tag", "busybox", "web")
labels = ["--label", "name=web", "--label", "com.docker.compose.service=web", "--label", "com.docker.compose.project=web"]
docker("run", "-d", "--name", "web-1", "--hostname", "web", "--network", "web", "--network-alias", "web", *labels, "-p", "8080:80", "web", "sh", "-c", serve)
docker("run", "-d", "--name", "WEB", "--label", "name=web", "busybox", "sleep", "600")
"""
HEALTHY = """
import subprocess
subprocess.run(["docker", "run", "-d", "--name", "web", "-p", "8080:80", "--health-cmd", "true", "--health-interval", "1s", "--label", "status=running",
                "busybox", "sh", "-c", "echo Welcome; sleep 600"], check=True, capture_output=True)
"""

ATTACKS = [
    Attack("The checker's socket, mounted", GUARD, CHECKERS_SOCKET, answers=EVERYTHING),
    Attack("Containers and commands with more rights", GUARD, RIGHTS, answers=EVERYTHING),
    Attack("The engine's own namespaces, and its death", GUARD, NAMESPACES, answers=EVERYTHING),
    Attack(
        "Builds with the engine's network and more rights",
        "the engine's builder allows neither",
        BUILDS,
        answers=EVERYTHING,
    ),
    Attack(
        "Swarm, plugins, and requests in unusual spelling", GUARD, ORCHESTRATION, answers=EVERYTHING
    ),
    Attack(
        "The student's socket replaced by a server that says yes",
        "the checker's socket is another",
        SOCKET_REPLACED,
    ),
    Attack(
        "A doctored image under another's name",
        "checks know the images that the sandbox was made with",
        RETAGGED,
        earns=("web-page-test",),
    ),
    Attack("Names and labels that look like the asked container", "checks ask by name", LABELS),
    Attack("A health check that lies", "checks try the container itself", HEALTHY),
]
