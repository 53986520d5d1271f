"""Which user id a `USER` or `-u` gives a process: the engine's own rule, not what the text looks
like.
"""

from __future__ import annotations

import re

ROOT_NAMES = ("", "root", "0")
NUMBER = re.compile(r"[+-]?[0-9]+")


def uid_of(user: str, passwd: str) -> int | None:
    """The id of the user that `user` (a group after `:` does not matter) means where `/etc/passwd`
    has this text; None where the engine would refuse to start.

    A number is an id, also where an entry has it as its name.

    >>> [uid_of(user, "node:x:1000:1000::/home/node:/bin/sh") for user in ("00", "+0:0", "node")]
    [0, 0, 1000]
    >>> uid_of("1000", "1000:x:0:0::/root:/bin/sh")
    1000
    """
    name = user.partition(":")[0]
    if not name:
        return 0
    if NUMBER.fullmatch(name):
        return int(name)
    for line in passwd.splitlines():
        entry = [*line.strip().split(":"), "", "", ""]
        if entry[0] == name:
            # the engine, too, reads an id that is no number as 0
            return int(entry[2]) if NUMBER.fullmatch(entry[2]) else 0
    return None


def same_user(found: str, wanted: str, passwd: str) -> bool:
    """Whether two spellings mean one user. No other name than root's own means root.

    >>> same_user("1000:1000", "node", "node:x:1000:1000::/home/node:/bin/sh")
    True
    >>> same_user("node", "node", "node:x:0:0::/home/node:/bin/sh")
    False
    """
    one, other = uid_of(found, passwd), uid_of(wanted, passwd)
    if one is None or other is None:
        return found.partition(":")[0] == wanted.partition(":")[0]
    return one == other and (one != 0 or wanted.partition(":")[0] in ROOT_NAMES)
