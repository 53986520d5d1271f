"""Run by path, in any process of a sandbox: uses up what the kernel counts by user (`take`), or
says what of it is still there (`try`).

Prints one line of JSON: by resource the error that ended it, or "" where there was none. `take`
then sleeps with all that it has.
"""

import array
import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
LARGE_PIPE = 1 << 20
ENGINE_FILES = (
    4096  # open files of a process in the engine's container: as many may be on their way
)
MOST = 500_000  # of anything: no limit of a user is as high
held: list[object] = []


def called(result: int) -> int:
    """The result of a function in C."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def inotify() -> object:
    return called(LIBC.inotify_init1(0))


def message_queue() -> object:
    attributes = (ctypes.c_long * 8)(0, 10, 8192)  # flags, messages, bytes in each
    name = f"/{os.getpid()}-{len(held)}".encode()
    return called(LIBC.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, attributes))


def pipe_pages() -> object:
    pipe = os.pipe()
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, LARGE_PIPE)
    return pipe


def files_on_their_way() -> object:
    ends = socket.socketpair()
    sent = array.array("i", [0] * 250)
    for _ in range(10):
        ends[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
    return ends


def pending_signals() -> object:
    return called(LIBC.sigqueue(os.getpid(), signal.SIGRTMIN, None))


COUNTED: tuple[Callable[[], object], ...] = (
    inotify,
    message_queue,
    pipe_pages,
    files_on_their_way,
    pending_signals,
)


def refusal(take: Callable[[], object], most: int) -> str:
    """The error at which it ends."""
    try:
        held.extend(take() for _ in range(most))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def main(most: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    resource.setrlimit(resource.RLIMIT_NOFILE, (ENGINE_FILES, ENGINE_FILES))
    print(json.dumps({take.__name__: refusal(take, most) for take in COUNTED}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "take":
        main(MOST)
        time.sleep(600)
    else:
        main(1)
