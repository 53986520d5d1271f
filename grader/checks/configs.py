"""`configmap("web")` and `secret("web")`: what they hold, and what follows when that changes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

from grader.checks import cluster
from grader.checks.cluster import ClusterRefusedError, Json
from grader.checks.cluster_objects import ClusterObject
from grader.checks.verdict import CheckFailed, listed

KINDS = {  # of what a Pod's spec refers to under these keys
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}


def configmap(name: str) -> ConfigMap:
    """A ConfigMap by its name; asks the cluster nothing yet. Checks of its existence and labels are
    those of `pod`.

    >>> configmap("web")
    configmap('web')
    """
    return ConfigMap(name)


def secret(name: str) -> Secret:
    """A Secret by its name; asks the cluster nothing yet. All its checks are those of `configmap`.

    >>> secret("web")
    secret('web')
    """
    return Secret(name)


class ConfigMap(ClusterObject):
    """A ConfigMap: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    _kind, _plural = "ConfigMap", "configmaps"
    _made_by = "kubectl create configmap {} --from-literal=KEY=VALUE"

    @property
    def data(self) -> dict[str, str]:
        """What it holds, by key, as text."""
        return dict(self._object().get("data") or {})

    def must_have(self, spec: str) -> None:
        """It has the key `KEY`, or `KEY=value`, spelled as after `--from-literal`. No message shows
        a value.
        """
        key, equals, value = spec.partition("=")
        data = self.data
        if key not in data:
            has = f"It has {listed(sorted(data))}." if data else "It is empty."
            raise CheckFailed(
                f"The {self._kind} `{self.name}` has no key `{key}`. {has}",
                f"the key `{key}`.",
                f"kubectl edit {self._typed}",
            )
        if equals and data[key] != value:
            raise CheckFailed(
                f"The {self._kind} `{self.name}` has another value under"
                f" `{key}`{_space(data[key], value)}.",
                f"the value that was asked for under `{key}`.",
                f"kubectl get {self._typed} --output=yaml",
            )

    @contextmanager
    def changed(self, key: str, value: str) -> Iterator[None]:
        """It has another value under this key for as long as the block runs. Pods see that when
        they are started anew.
        """
        before = self.data.get(key)
        self._set(key, value)
        try:
            yield
        finally:
            self._set(key, before)

    def _set(self, key: str, value: str | None) -> None:
        patch = json.dumps({"data": {key: None if value is None else self._encoded(value)}})
        try:
            cluster.answer(
                "patch",
                self._noun,
                self.name,
                f"--namespace={self._namespace}",
                "--type=merge",
                "--patch",
                patch,
            )
        except ClusterRefusedError as said:
            raise CheckFailed(
                f"The {self._kind} `{self.name}` cannot be changed: {said}.",
                f"a {self._kind} whose values can be changed.",
                f"kubectl get {self._typed} --output=yaml",
            ) from None

    def _encoded(self, value: str) -> str:
        return value


class Secret(ConfigMap):
    """A Secret: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    _kind, _plural = "Secret", "secrets"
    _made_by = "kubectl create secret generic {} --from-literal=KEY=VALUE"

    @property
    def data(self) -> dict[str, str]:
        """What it holds, by key, decoded as text."""
        held = self._object().get("data") or {}
        return {
            key: base64.b64decode(value).decode("utf-8", "replace") for key, value in held.items()
        }

    def _encoded(self, value: str) -> str:
        return base64.b64encode(value.encode()).decode()


def used_by(spec: Json) -> set[tuple[str, str]]:
    """Kind and name of each ConfigMap and Secret from which a Pod with this spec takes something: a
    container names it for its environment, or mounts a volume that comes from it.
    """
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    mounted = {mount["name"] for one in containers for mount in one.get("volumeMounts") or []}
    sources = [
        source
        for volume in spec.get("volumes") or []
        if volume["name"] in mounted
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]
    ]
    for one in containers:
        sources += one.get("envFrom") or []
        sources += [variable.get("valueFrom") or {} for variable in one.get("env") or []]
    return {
        (KINDS[key], str(named.get("secretName") or named.get("name")))
        for source in sources
        for key, named in source.items()
        if key in KINDS
    }


def _space(found: str, wanted: str) -> str:
    r"""A hint at the commonest slip: `echo` without `-n`.

    >>> _space("a\n", "a")
    ': it differs only in the space around it'
    """
    return ": it differs only in the space around it" if found.strip() == wanted.strip() else ""
