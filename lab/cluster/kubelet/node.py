"""What all workers of a node share: the API, events, the engine, images and tokens."""

from dataclasses import dataclass

from lab.cluster.kubelet.images import Images
from lab.cluster.kubelet.runtime import Runtime
from lab.cluster.kubelet.tokens import Tokens
from lab.cluster.model.objects import Obj, name_of, namespace_of, uid_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.events import Recorder


@dataclass(frozen=True)
class Node:
    """The node as one Pod's worker sees it; ``address`` is the node's own."""

    client: Client
    recorder: Recorder
    runtime: Runtime
    images: Images
    address: str
    tokens: Tokens

    def current(self, pod: Obj) -> Obj | None:
        """The Pod as the API has it now; None when it, and not merely one of its name, is gone."""
        stored = self.client.get("pods", namespace_of(pod), name_of(pod))
        return stored if stored is not None and uid_of(stored) == uid_of(pod) else None
