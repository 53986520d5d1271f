"""Tokens of service accounts for Pods: made on demand, kept, renewed before they run out."""

import time
from collections.abc import Callable

from lab.cluster.model.objects import Obj, uid_of

RENEWED = 0.8  # of a token's time


class Tokens:
    """The kubelet's token manager; ``make`` asks the API server for one."""

    def __init__(self, make: Callable[[Obj, int, str], str]) -> None:
        self._make = make
        # By Pod, then by lifetime and audience: when it was made, and the token.
        self._tokens: dict[str, dict[tuple[int, str], tuple[float, str]]] = {}

    def token(self, pod: Obj, seconds: int, audience: str) -> str:
        """The Pod's token; another one when four fifths of its time are over."""
        of_pod = self._tokens.setdefault(uid_of(pod), {})
        since, token = of_pod.get((seconds, audience), (0.0, ""))
        if time.time() - since > RENEWED * seconds:
            token = self._make(pod, seconds, audience)
            of_pod[seconds, audience] = time.time(), token
        return token

    def forget(self, uid: str) -> None:
        """The Pod is gone."""
        self._tokens.pop(uid, None)
