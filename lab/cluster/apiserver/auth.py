"""Who asks, and may they: by certificate or token, impersonation; authorized by RBAC."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.cluster.apiserver import pki
from lab.cluster.model.errors import APIError, forbidden
from lab.cluster.model.objects import Obj, name_of
from lab.cluster.registry.store import Store

RBAC = "rbac.authorization.k8s.io"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"


@dataclass(frozen=True)
class User:
    """Who asks: a name and groups, and what else the proof of them said."""

    name: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, list[str]] = field(default_factory=dict)

    def info(self) -> Obj:
        info: Obj = {"username": self.name, "groups": list(self.groups)}
        return info | ({"extra": dict(self.extra)} if self.extra else {})


@dataclass(frozen=True)
class Attributes:
    """What is asked for. Either a resource or, with ``path``, something that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def target(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def unauthorized() -> APIError:
    return APIError(401, "Unauthorized", "Unauthorized")


class Authenticator:
    """Who a request comes from: by the certificate of its connection, or by its bearer token.

    It knows the administrator's token and those of service accounts; ``kubectl --as`` is judged
    here, too. Left out: anonymous users, OIDC, webhooks. ``APIServer`` asks it first of all.
    """

    def __init__(self, credentials: pki.Credentials, store: Store) -> None:
        self.credentials, self.store = credentials, store

    def authenticate(
        self, certificate: bytes | None, subject: Mapping[str, str], header: str
    ) -> User:
        """By a certificate, which TLS has checked, or a token. APIError (401) for neither."""
        if certificate:
            digest = hashlib.sha256(certificate).hexdigest()
            extra = {"authentication.kubernetes.io/credential-id": [f"X509SHA256={digest}"]}
            return User(
                subject.get("commonName", ""),
                (subject.get("organizationName", ""), AUTHENTICATED),
                extra,
            )
        token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else ""
        user = self.by_token(token)
        if user is None:
            raise unauthorized()
        return user

    def by_token(self, token: str) -> User | None:
        if not token:
            return None
        if secrets.compare_digest(token.encode(), self.credentials.token.encode()):
            return User(pki.ADMIN, (pki.ADMIN_GROUP, AUTHENTICATED))
        claims: Any = pki.token_claims(self.credentials, token)
        if not claims:
            return None
        own = claims["kubernetes.io"]
        namespace, account = own["namespace"], own["serviceaccount"]
        stored = self.store.get(("serviceaccounts", namespace, account["name"]))
        if stored is None or stored["metadata"]["uid"] != account["uid"]:
            return None
        return service_account(namespace, account["name"])

    def impersonate(
        self, user: User, headers: Mapping[str, str], groups: list[str], authorizer: "Authorizer"
    ) -> User:
        """The user that ``--as`` names, if this one may act for it."""
        wanted = headers.get("Impersonate-User")
        if not wanted:
            return user
        authorizer.require(user, Attributes("impersonate", "", "users", name=wanted))
        if wanted.startswith("system:serviceaccount:") and wanted.count(":") == 3:
            _, _, namespace, name = wanted.split(":")
            return service_account(namespace, name)
        return User(wanted, (*groups, AUTHENTICATED))


def service_account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


class Authorizer:
    """RBAC: allowed is what a role bound to the user, or to a group of theirs, allows.

    Roles are read from the store at each request, so a new binding counts at once. Left out:
    aggregated roles, the node authorizer. ``APIServer`` asks it after the ``Authenticator``.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def allowed(self, user: User, asked: Attributes) -> bool:
        if pki.ADMIN_GROUP in user.groups:
            return True
        return any(_covers(rule, asked) for rule in self.rules(user, asked.namespace))

    def require(self, user: User, asked: Attributes) -> None:
        """APIError (403) when it is not allowed."""
        if self.allowed(user, asked):
            return
        complaint = self.complaint(user, asked.namespace)
        reason = f": {complaint}" if complaint else ""
        if asked.path:
            why = f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"{reason}'
            raise APIError(403, "Forbidden", why)
        where = (
            f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        )
        why = (
            f'User "{user.name}" cannot {asked.verb} resource "{asked.target}" in API group'
            f' "{asked.group}" {where}{reason}'
        )
        raise forbidden(asked.group, asked.resource, asked.name, why)

    def rules(self, user: User, namespace: str) -> Iterator[Obj]:
        """The rules that hold for a user, cluster-wide and in the namespace."""
        for reference, where in self._references(user, namespace):
            yield from (self._role(reference, where) or {}).get("rules") or []

    def complaint(self, user: User, namespace: str) -> str:
        """What is wrong with what is bound to a user: the roles that are not there."""
        missing = list(
            dict.fromkeys(
                f'{reference["kind"].lower()}.{RBAC} "{reference["name"]}" not found'
                for reference, where in self._references(user, namespace)
                if self._role(reference, where) is None
            )
        )
        listed = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
        return f"RBAC: {listed}" if missing else ""

    def _references(self, user: User, namespace: str) -> Iterator[tuple[Obj, str]]:
        """The roles bound to a user, each with the namespace in which it is."""
        for binding in self.store.list(f"clusterrolebindings.{RBAC}"):
            if _bound(binding, user, ""):
                yield binding["roleRef"], ""
        for binding in self.store.list(f"rolebindings.{RBAC}", namespace) if namespace else []:
            if _bound(binding, user, namespace):
                yield binding["roleRef"], namespace

    def _role(self, reference: Obj, namespace: str) -> Obj | None:
        if reference["kind"] == "ClusterRole":
            return self.store.get((f"clusterroles.{RBAC}", "", reference["name"]))
        return self.store.get((f"roles.{RBAC}", namespace, reference["name"]))


def _bound(binding: Obj, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or []:
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        if (
            kind == "ServiceAccount"
            and user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
        ):
            return True
    return False


def _covers(rule: Obj, asked: Attributes) -> bool:
    verbs = rule.get("verbs") or []
    if "*" not in verbs and asked.verb not in verbs:
        return False
    if asked.path:
        patterns = rule.get("nonResourceURLs") or []
        return any(
            p in ("*", asked.path) or (p.endswith("*") and asked.path.startswith(p[:-1]))
            for p in patterns
        )
    groups, resources, names = (
        rule.get("apiGroups") or [],
        rule.get("resources") or [],
        rule.get("resourceNames") or [],
    )
    if "*" not in groups and asked.group not in groups:
        return False
    if not {"*", asked.target, f"*/{asked.subresource}" if asked.subresource else "*"} & set(
        resources
    ):
        return False
    return not names or asked.name in names


def _role(name: str, *rules: Obj) -> Obj:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": list(rules),
    }


def _binding(name: str, role: str, group: str) -> Obj:
    subject = {"apiGroup": RBAC, "kind": "Group", "name": group}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


READ, WRITE = ["get", "list", "watch"], ["create", "delete", "deletecollection", "patch", "update"]
NAMESPACED = (
    "configmaps endpoints persistentvolumeclaims pods pods/log pods/status "
    "replicationcontrollers serviceaccounts services bindings events limitranges "
    "resourcequotas namespaces deployments replicasets statefulsets daemonsets "
    "deployments/scale replicasets/scale statefulsets/scale jobs cronjobs "
    "horizontalpodautoscalers ingresses networkpolicies poddisruptionbudgets endpointslices"
).split()
GROUPS = ["", "apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io"]
PROBES = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
ISSUER = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
]
DISCOVERY = (
    "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"
).split()
_VIEW = {"apiGroups": GROUPS, "resources": NAMESPACED, "verbs": READ}
_EDIT = {
    "apiGroups": GROUPS,
    "verbs": WRITE,
    "resources": [
        *NAMESPACED,
        "secrets",
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "pods/proxy",
        "services/proxy",
        "pods/eviction",
    ],
}
_SECRETS = {
    "apiGroups": [""],
    "resources": ["secrets", "pods/exec", "pods/attach", "pods/portforward"],
    "verbs": READ,
}
_ROLES = {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": [*READ, *WRITE]}


def _creates(group: str, *resources: str) -> Obj:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["create"]}


BOOTSTRAP = (
    _role(
        "cluster-admin",
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ),
    _role("admin", _VIEW, _EDIT, _SECRETS, _ROLES),
    _role("edit", _VIEW, _EDIT, _SECRETS),
    _role("view", _VIEW),
    _role(
        "system:basic-user",
        _creates("authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        _creates("authentication.k8s.io", "selfsubjectreviews"),
    ),
    _role("system:discovery", {"nonResourceURLs": DISCOVERY, "verbs": ["get"]}),
    _role("system:public-info-viewer", {"nonResourceURLs": PROBES, "verbs": ["get"]}),
    _role("system:service-account-issuer-discovery", {"nonResourceURLs": ISSUER, "verbs": ["get"]}),
    _binding("cluster-admin", "cluster-admin", pki.ADMIN_GROUP),
    _binding(
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        "system:serviceaccounts",
    ),
    _binding("system:basic-user", "system:basic-user", AUTHENTICATED),
    _binding("system:discovery", "system:discovery", AUTHENTICATED),
    _binding("system:public-info-viewer", "system:public-info-viewer", AUTHENTICATED),
)


def _all(group: str, *resources: str) -> Obj:
    return {"apiGroups": [group], "resources": list(resources), "verbs": [*READ, *WRITE]}


# A student whose work is judged by the cluster's state: everything that people make, in every
# namespace, and nothing that only the cluster itself writes (a status, nodes, endpoints, events,
# bindings), nor what would change whom it believes (roles, impersonation, other APIs).
STUDENT = (
    _role(
        pki.STUDENT_GROUP,
        {"apiGroups": ["*"], "resources": ["*"], "verbs": READ},
        _all(
            "",
            "configmaps",
            "limitranges",
            "namespaces",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        ),
        _all(
            "apps",
            "daemonsets",
            "deployments",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ),
        _all("autoscaling", "horizontalpodautoscalers"),
        _all("batch", "cronjobs", "jobs"),
        _all("networking.k8s.io", "ingresses", "networkpolicies"),
        _all("policy", "poddisruptionbudgets"),
        _all(
            "",
            "pods/exec",
            "pods/attach",
            "pods/ephemeralcontainers",
            "pods/portforward",
            "pods/proxy",
            "services/proxy",
        ),
        _creates("", "pods/eviction", "serviceaccounts/token"),
        # labels, taints, cordon
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch", "update"]},
    ),
    _binding(pki.STUDENT_GROUP, pki.STUDENT_GROUP, pki.STUDENT_GROUP),
)


def bootstrap_name(obj: Obj) -> tuple[str, str]:
    """Under which resource and name a bootstrap object is kept."""
    return f"{obj['kind'].lower()}s.{RBAC}", name_of(obj)
