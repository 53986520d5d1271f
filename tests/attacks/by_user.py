"""Attacks that use up what the kernel counts by user: one user for two sandboxes, and who is graded
at the same time lacks it.
"""

from .attack import EVERYTHING, Attack

KERNEL = """
import array, ctypes, fcntl, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def watch():
    return called(libc.inotify_init1(0))
def send(files=1):
    ends = socket.socketpair()
    ends[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * files))])
    return ends
def pipe():
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 1 << 20)
    return ends
held = []
def hoard(take, most):
    try:
        for _ in range(most):
            held.append(take())
    except OSError as error:
        print(len(held), error)
"""
# An honest student's programs, too, watch files, send open files to each other, and use pipes.
NEEDS = KERNEL + "\nwatched, sent, piped = watch(), send(), pipe()\n"
INOTIFY = KERNEL + "\nhoard(watch, 100_000)\n"
PIPES = KERNEL + "\nhoard(pipe, 5_000)\n"
# A process with a limit of 4,096 open files, as those of an engine, can send none when so many are on their way.
IN_FLIGHT = KERNEL + "\nhoard(lambda: send(250), 400)\n"
KEYS = """
import subprocess
add_key, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[__import__("platform").machine()]
take = f'''
import ctypes
libc = ctypes.CDLL(None)
join, everybody = 1, -4
if libc.syscall({keyctl}, join, b"mine") >= 0 or libc.syscall({add_key}, b"user", b"mine", b"x" * 9000, 9000, everybody) >= 0:
    print("SUC" + "CEEDED")
'''
exec(take)
inside = subprocess.run(["docker", "run", "--rm", "-i", "python", "python", "-"], input=take, capture_output=True, text=True, timeout=20)
print(inside.stdout, inside.stderr)
"""
NOT_SHARED = "each sandbox has users of its own"

# `named`: graded beside the honest one in the middle
ATTACKS = [
    Attack(
        "All inotify instances taken", NOT_SHARED, INOTIFY, answers=EVERYTHING, named="kj-watches"
    ),
    Attack(
        "More open files on their way than an engine may have",
        NOT_SHARED,
        IN_FLIGHT,
        answers=("total", "file"),
        named="kj-sends",
    ),
    Attack("All pages of pipes taken", NOT_SHARED, PIPES, answers=EVERYTHING, named="kl-pipes"),
    Attack(
        "Keys put into the kernel", "no container may use these calls", KEYS, answers=EVERYTHING
    ),
]
