"""The current context of the machine's kubeconfig, as a file that works elsewhere too."""

import base64
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.errors import LabError

CONTEXT = "lab"  # the context's name in every kubeconfig of the course
LOOPBACK = "127.0.0.1"
EMBEDDED = {  # a field that names a file: the field that holds its content
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}
Entry = dict[str, Any]


@dataclass(frozen=True)
class Kubeconfig:
    """One context: its name, and its cluster and user entries as kubectl has them."""

    context: str
    cluster: Entry
    user: Entry

    @property
    def server(self) -> tuple[str, int]:
        """Host and port of the API server."""
        url = urlsplit(self.cluster["server"])
        return url.hostname or LOOPBACK, url.port or {"http": 80}.get(url.scheme, 443)

    def at(self, port: int) -> "Kubeconfig":
        """The same cluster at a loopback port; its certificate is still checked for its name."""
        url = urlsplit(self.cluster["server"])
        moved = {**self.cluster, "server": url._replace(netloc=f"{LOOPBACK}:{port}").geturl()}
        if url.scheme == "https":
            moved.setdefault("tls-server-name", self.server[0])
        return replace(self, cluster=moved)

    def document(self, namespace: str) -> dict[str, Any]:
        """A kubeconfig with this as its only context, named ``lab``, and a default namespace."""
        context = {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": self.cluster}],
            "contexts": [{"name": CONTEXT, "context": context}],
            "users": [{"name": CONTEXT, "user": self.user}],
        }


def default() -> Path:
    """Where kubectl looks without KUBECONFIG; under sudo, in the caller's home."""
    caller = os.environ.get("SUDO_UID")
    home = Path(pwd.getpwuid(int(caller)).pw_dir) if caller else Path.home()
    return home / ".kube" / "config"


def current(environment: Mapping[str, str] = os.environ) -> Kubeconfig:
    """The current context of KUBECONFIG's files, else of ``~/.kube/config``; LabError if none."""
    named = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    files = [path for path in named or [default()] if path.is_file()]
    entries = [(path, _read(path)) for path in files]
    context = next(
        (str(one["current-context"]) for _, one in entries if one.get("current-context")), ""
    )
    if not context:
        where = ", ".join(map(str, named or [default()]))
        raise LabError(
            f"kubectl has no current context in {where}.",
            "kubectl config use-context NAME; or bin/lab up, with the lab's own cluster",
        )
    _, chosen = _entry(entries, "context", context)
    cluster = _embedded(*_entry(entries, "cluster", str(chosen.get("cluster"))))
    user = _embedded(*_entry(entries, "user", str(chosen.get("user"))))
    _require_portable(context, cluster, user)
    return Kubeconfig(context, cluster, user)


def _read(path: Path) -> Entry:
    import yaml  # here, so that the command line starts without it

    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise LabError(
            f"{path} cannot be read: {error}",
            "kubectl config view; fix the file, then bin/lab up again",
        ) from error
    return content if isinstance(content, dict) else {}


def _entry(entries: list[tuple[Path, Entry]], kind: str, name: str) -> tuple[Path, Entry]:
    """The first entry of that name, which is kubectl's choice too, and its kubeconfig's folder."""
    for path, content in entries:
        for one in content.get(f"{kind}s") or []:
            if one.get("name") == name:
                return path.parent, dict(one.get(kind) or {})
    raise LabError(
        f"kubectl's current context needs the {kind} {name}, which the kubeconfig does not have.",
        "kubectl config get-contexts",
    )


def _embedded(folder: Path, entry: Entry) -> Entry:
    for field, data in EMBEDDED.items():
        if field in entry:
            entry[data] = base64.b64encode(_content(folder / entry.pop(field))).decode()
    if "tokenFile" in entry:
        entry["token"] = _content(folder / entry.pop("tokenFile")).decode().strip()
    return entry


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabError(
            f"The kubeconfig names {path}, which cannot be read ({error.strerror}).",
            "kubectl get namespaces, to see what kubectl says",
        ) from error


def _require_portable(context: str, cluster: Entry, user: Entry) -> None:
    for field in ("exec", "auth-provider"):
        if field in user:
            what = user[field].get("command") or user[field].get("name")
            raise LabError(
                f"The context {context} signs in through a program on this machine ({what}), which"
                " the lab does not have.",
                "create a context with a token (kubectl create token, kubectl config"
                " set-credentials), switch to it, then run bin/lab up again.",
            )
    if "proxy-url" in cluster:
        raise LabError(
            f"The context {context} is reached through a proxy ({cluster['proxy-url']}), which the"
            " lab does not use.",
            "switch to a context that needs none.",
        )
