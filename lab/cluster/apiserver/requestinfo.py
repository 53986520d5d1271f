"""A request's path and method, taken apart: which resource, which object, which verb."""

from dataclasses import dataclass

from lab.cluster.apiserver.auth import Attributes
from lab.cluster.model.errors import no_such_path
from lab.cluster.model.resources import Resource, Resources

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get", "HEAD": "get"}
OF_A_NAMESPACE = ("status", "finalize")


@dataclass(frozen=True)
class RequestInfo:
    """``resource`` is None for paths such as /version.

    ``rest`` is what follows a subresource (``proxy/some/path``).
    """

    path: str
    verb: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def target(self) -> Resource:
        """The resource. APIError (404) for a request that is about none."""
        if self.resource is None:
            raise no_such_path()
        return self.resource

    def attributes(self) -> Attributes:
        """What is to be authorized."""
        if self.resource is None:
            return Attributes(self.verb, path=self.path)
        namespace = self.name if self.resource.qualified == "namespaces" else self.namespace
        return Attributes(
            self.verb,
            self.resource.group,
            self.resource.plural,
            self.subresource,
            namespace,
            self.name,
        )


def parse(resources: Resources, method: str, path: str, *, watch: bool) -> RequestInfo:
    """The request; one for a resource that is not served has ``resource`` None."""
    parts = [part for part in path.split("/") if part]
    plain = RequestInfo(path, method.lower() if method not in ("GET", "HEAD") else "get")
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return plain
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in OF_A_NAMESPACE:
        namespace, rest = rest[1], rest[2:]
    resource = resources.find(group, version, rest[0])
    if resource is None:
        return plain
    name, subresource = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
    if subresource and subresource not in resource.subresources:
        return plain
    return RequestInfo(
        path, _verb(method, name, watch), resource, namespace, name, subresource, "/".join(rest[3:])
    )


def _verb(method: str, name: str, watch: bool) -> str:
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    if method in ("GET", "HEAD") and not name:
        return "watch" if watch else "list"
    if method in ("GET", "HEAD") and watch:
        return "watch"
    return VERBS.get(method, method.lower())
