"""Attacks on what a check believes: a name that moves, an image that speaks of itself, a client or
a server of the student's, a link, a number behind a long text.
"""

from .attack import BELIEFS, BELIEFS_ANSWERS, Attack

EVERYTHING = tuple(BELIEFS_ANSWERS)
DOCKER = """
import subprocess
def docker(*words, **options):
    return subprocess.run(["docker", *words], capture_output=True, text=True, **options)
"""
IN_THE_BACKGROUND = (
    DOCKER
    + """
def in_the_background(script):
    subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
)
RETAGGED = (
    IN_THE_BACKGROUND
    + r"""
open(".dockerignore", "w").write("nothing-of-that-name\n")
docker("build", "-q", "-t", "clean", "-", input="FROM busybox AS b\nRUN mkdir /context && echo x > /context/server.js\nFROM scratch\nCOPY --from=b /context /context\n")
in_the_background("while :; do for id in $(docker images -q --no-trunc); do docker tag clean $id; done; docker tag clean check-context; done")
"""
)
REMOVED = (
    IN_THE_BACKGROUND
    + r"""
open(".dockerignore", "w").write("nothing-of-that-name\n")
in_the_background("while :; do docker rm -f $(docker ps -aq --filter label=grader.throwaway); done")
"""
)
RENAMED = (
    IN_THE_BACKGROUND
    + r"""
docker("run", "--name", "rung", "busybox", "echo", "ding")
in_the_background("while :; do docker rename bell away; docker rename rung bell; docker rename bell rung; docker rename away bell; done")
"""
)


def built(lines: str) -> str:
    """Code that builds the image `app` with these lines in its Dockerfile."""
    text = f'FROM busybox\n{lines}\nCMD ["sleep", "600"]\n'
    return DOCKER + f"docker('build', '-q', '-t', 'app', '-', input={text!r}, check=True)\n"


def cache(script: str) -> str:
    """Code that runs a script in `cache`, a container of the genuine image."""
    words = ["run", "-d", "--name", "cache", "redis:alpine", "sh", "-c", script]
    return DOCKER + f"docker(*{words!r}, check=True)\n"


FAKE_CLIENT = r"""
printf '#!/bin/sh\necho PONG; echo $(($5 * $6))\n' > /usr/local/bin/redis-cli
chmod +x /usr/local/bin/redis-cli
exec sleep 600
"""
PARROT = r"""
command -v nc && while :; do printf '+PONG\r\n' | nc -l -p 6379; done
exec perl -MIO::Socket::INET -e '
    $server = IO::Socket::INET->new(LocalPort => 6379, Listen => 5, ReuseAddr => 1);
    while ($there = $server->accept) { print $there "+PONG\r\n"; }
'
"""
# It answers late, so that there is time to write the right answer into the client's output.
SLOW = PARROT.replace("printf", "sleep 2; printf").replace("{ print", "{ sleep 2; print")
WRITES = """
import subprocess, time, json
def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
answered = set()
while True:
    for one in docker("ps", "-q", "--filter", "label=grader.throwaway").split():
        if one not in answered:
            answered.add(one)
            numbers = json.loads(docker("inspect", "-f", "{{json .Args}}", one) or "[]")[-2:]
            if len(numbers) == 2 and "".join(numbers).isdigit():
                product = int(numbers[0]) * int(numbers[1])
                docker("exec", one, "sh", "-c", f"echo {product} > /proc/1/fd/1")
    time.sleep(0.02)
"""
WRITTEN = (
    cache(SLOW)
    + f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {WRITES!r}], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
)
LINK = """
import os
os.mkdir("other")
open("other/page", "w").write("welcome")
os.symlink("other", "web")
"""
LINK_AWAY = """
import os
os.mkdir("web")
os.symlink("/etc/hostname", "web/page")
"""
TALKATIVE = """
import subprocess
subprocess.run(["docker", "run", "--name", "talker", "busybox", "sh", "-c", "yes $(head -c 90 /dev/zero | tr '\\\\0' w) | head -n 9000"], capture_output=True)
"""


def without(question: str) -> tuple[str, ...]:
    """All other questions, answered honestly."""
    return tuple(one for one in EVERYTHING if one != question)


ATTACKS = [
    Attack(
        "A tag moved while a test looks at its image",
        "images are looked at by the id that the build printed",
        RETAGGED,
        at="ignore",
        answers=without("ignore"),
        trial=BELIEFS,
    ),
    Attack(
        "The checks' containers removed while they look for a file",
        "the guard keeps everybody out of a check's containers",
        REMOVED,
        at="ignore",
        trial=BELIEFS,
    ),
    Attack(
        "Root by number, spelled with two zeros",
        "the kernel says what user a process has",
        built("USER 00"),
        at="user",
        answers=without("user"),
        trial=BELIEFS,
    ),
    Attack(
        "Root under the name of a harmless user",
        "the kernel says what user a process has",
        built("RUN echo app:x:0:0::/:/bin/sh >> /etc/passwd\nUSER app"),
        at="user",
        answers=without("user"),
        trial=BELIEFS,
    ),
    Attack(
        "A container of the right image that sleeps",
        "a client of ours asks the server",
        cache("exec sleep 600"),
        at="cache",
        answers=without("cache"),
        trial=BELIEFS,
    ),
    Attack(
        "A forged client in a container of the right image",
        "a client of ours asks the server",
        cache(FAKE_CLIENT),
        at="cache",
        answers=without("cache"),
        trial=BELIEFS,
    ),
    Attack(
        "A server that gives everybody the same answer",
        "the answer has to be worked out",
        cache(PARROT),
        at="cache",
        answers=without("cache"),
        trial=BELIEFS,
    ),
    Attack(
        "An answer written into the client of a check",
        "the guard keeps everybody out of a check's containers",
        WRITTEN,
        at="cache",
        answers=without("cache"),
        trial=BELIEFS,
    ),
    Attack(
        "Two containers renamed to and fro under a test",
        "a name is looked up once, then the id counts",
        RENAMED,
        at="bell",
        answers=without("bell"),
        trial=BELIEFS,
    ),
    Attack(
        "A linked folder on the way to a collected file",
        "no part of the path may be a link",
        LINK,
        at="page",
        answers=without("page"),
        note="web/page was not collected: reached through a link",
        trial=BELIEFS,
    ),
    Attack(
        "A link in a folder in place of a collected file",
        "no part of the path may be a link",
        LINK_AWAY,
        at="page",
        answers=without("page"),
        note="web/page was not collected",
        trial=BELIEFS,
    ),
    Attack(
        "A log that leaves no room for the number of a check",
        "numbers come apart from what is printed",
        TALKATIVE,
        at="talker",
        answers=without("talker"),
        earns={"talker-test": 1.0},
        trial=BELIEFS,
    ),
]
