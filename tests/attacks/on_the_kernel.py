"""Attacks on what drives the student's kernel: its processes, the relay, the messages that come out
of the sandbox.
"""

from .attack import EVERYTHING, Attack

FIRST_TWO = ("total", "web")
KEPT = "the driver takes messages as claims; what came before counts"


def _says(payload: str) -> str:
    """Write to all that the relay has open, its answers to the grader among it."""
    return f"""
import glob, os
payload = {payload}
for path in glob.glob("/proc/1/fd/[1-9]*"):
    try:
        with open(path, "w") as stream:
            stream.write(payload)
    except OSError:
        pass
import time
time.sleep(2)
"""


def _done(identity: str, expressions: str = "{}", status: str = '"ok"') -> str:
    return f"""'{{"id": {identity}, "event": "done", "status": {status}, "error": ["", ""], "expressions": {expressions}}}\\n'"""


def _lie(name: str, payload: str) -> Attack:
    return Attack(
        name, KEPT, _says(payload), "file", FIRST_TWO, reason=("kernel-died",), attempts=False
    )


KILL_PARENT = """
import os, signal
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
    os.kill(os.getppid(), number)
    os.kill(1, number)
"""
KILL_ALL = """
import os, subprocess
subprocess.Popen(["sleep", "60"], start_new_session=True)
os.kill(-1, 9)
os.kill(os.getpid(), 9)
"""
DAEMON = r"""
import subprocess, sys
WATCH = '''
import glob, os, time
os.chdir("/")
found, end = set(), time.monotonic() + 25
marker, folder = ("hidden" + "-canary").encode(), b"@CHECK@"
while time.monotonic() < end:
    own = f"/proc/{os.getpid()}/"
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ") + glob.glob("@CHECK@/*") + glob.glob("/tmp/*"):
        try:
            data = open(path, "rb").read(100000)
        except OSError:
            continue
        if (marker in data or folder in data) and not path.startswith(own):
            found.add(path)
    open(os.path.expanduser("~/found.txt"), "w").write("\\n".join(found))
    time.sleep(0.02)
'''
subprocess.Popen([sys.executable, "-c", WATCH], start_new_session=True)
"""
SERVER_OUTSIDE = r"""
import subprocess, sys
SERVE = '''
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Welcome " + self.path.encode())
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answer).serve_forever()
'''
subprocess.run(["docker", "run", "-d", "--name", "web", "-p", "127.0.0.2:8080:80", "busybox", "sh", "-c", "mkdir /www; exec sleep 600"], check=True)
subprocess.Popen([sys.executable, "-c", SERVE], start_new_session=True)
import time, urllib.request
for left in reversed(range(50)):
    try:
        assert "Welcome" in urllib.request.urlopen("http://localhost:8080/x").read().decode()
        break
    except OSError:
        assert left, "nothing answers"
        time.sleep(0.1)
"""
SWAPPER = r"""
import subprocess, sys
SWAP = '''
import os, time
other = "@WORK@/other"
end = time.monotonic() + 30
while time.monotonic() < end:
    for target in ("/etc/passwd", "/proc/1/environ", "/template/complete"):
        os.symlink(target, other)
        os.replace(other, "@WORK@/Dockerfile")
'''
subprocess.Popen([sys.executable, "-c", SWAP], start_new_session=True)
"""


def _with_a_last_look(notebook: dict[str, object]) -> None:
    from .attack import code_cell

    look = (
        "import os\nfound = open(os.path.expanduser('~/found.txt')).read()\nprint('SUCCEEDED ' +"
        " found if found else 'nothing found')"
    )
    notebook["cells"].append(code_cell(look))  # type: ignore[attr-defined]


ATTACKS = [
    Attack(
        "The kernel ends itself",
        KEPT,
        "import os\nos._exit(0)",
        "file",
        FIRST_TWO,
        reason=("kernel-died",),
        attempts=False,
    ),
    Attack(
        "kill -9 of the kernel's parent and of the relay",
        "the relay is the first process of its container",
        KILL_PARENT,
        answers=EVERYTHING,
    ),
    Attack(
        "kill -9 of every process within reach",
        "a container's processes see only each other",
        KILL_ALL,
        "file",
        FIRST_TWO,
        reason=("kernel-died",),
        attempts=False,
    ),
    _lie("A message of 5 MB that does not end", "'\"' + 'x' * 5_000_000"),
    _lie("A message that is not JSON", r"'hello\n'"),
    _lie("A message with NaN in it", _done("7", '{"total": NaN}')),
    _lie("A message nested 30,000 deep", r"""'{"event": ' + '[' * 30_000 + '\n'"""),
    _lie("A message that is a list", r"'[1, 2]\n'"),
    _lie("An answer to what was never asked", _done("-1")),
    _lie("An answer with a status of its own", _done("3", status="100")),
    _lie("A forged end of the cell", " + ".join(_done(str(number)) for number in range(1, 30))),
    Attack(
        "A process left behind that watches while tests run",
        "the checker's processes and files are in another container",
        DAEMON,
        change=_with_a_last_look,
    ),
    Attack(
        "A process left behind that answers for a container",
        "checks ask the address that the container publishes",
        SERVER_OUTSIDE,
        "web",
    ),
    Attack(
        "A process left behind that swaps a collected file for links",
        "links are not followed",
        SWAPPER,
        "file",
    ),
]
