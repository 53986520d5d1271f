"""What a Pod has in /etc/resolv.conf: the cluster's DNS or the node's, and what the Pod adds."""

from pathlib import Path

from lab.cluster.model.objects import Obj, namespace_of
from lab.cluster.registry.addresses import DOMAIN

OF_NODE = Path("/etc/resolv.conf")


def resolv_conf(pod: Obj, cluster_dns: str, of_node: Path = OF_NODE) -> str:
    """The text of the file; ``of_node`` is the node's, read where the Pod wants that one. What
    ``dnsConfig`` says of an option that is there already counts.

    >>> config = {"options": [{"name": "ndots", "value": "2"}]}
    >>> pod = {"metadata": {"namespace": "a"}, "spec": {"dnsConfig": config}}
    >>> print(resolv_conf(pod, "10.96.0.10"))
    search a.svc.cluster.local svc.cluster.local cluster.local
    nameserver 10.96.0.10
    options ndots:2
    <BLANKLINE>
    """
    spec = pod["spec"]
    given = spec.get("dnsConfig") or {}
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy == "None":
        base: dict[str, list[str]] = {}
    elif policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork")):
        base = _parsed(of_node.read_text())
    else:
        search = [f"{namespace_of(pod)}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
        base = {"search": search, "nameserver": [cluster_dns], "options": ["ndots:5"]}
    own = [
        f"{option['name']}:{option['value']}" if option.get("value") else option["name"]
        for option in given.get("options") or []
    ]
    options = {text.partition(":")[0]: text for text in [*base.get("options", []), *own]}
    search = list(dict.fromkeys([*base.get("search", []), *(given.get("searches") or [])]))
    lines = [f"search {' '.join(search)}"] if search else []
    servers = dict.fromkeys([*base.get("nameserver", []), *(given.get("nameservers") or [])])
    lines += [f"nameserver {server}" for server in servers]
    lines += [f"options {' '.join(options.values())}"] if options else []
    return "".join(f"{line}\n" for line in lines)


def _parsed(text: str) -> dict[str, list[str]]:
    """The words of a resolv.conf by keyword; the last ``search`` counts, of the others each."""
    words_of: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, *words = line.split("#")[0].split() or [""]
        if keyword == "search":
            words_of[keyword] = words
        elif keyword in ("nameserver", "options"):
            words_of.setdefault(keyword, []).extend(words)
    return words_of
