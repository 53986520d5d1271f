"""Subresources that are no part of the object (scale, binding, eviction, token), and reviews."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from lab.cluster.apiserver import pki
from lab.cluster.apiserver.auth import Attributes, Authenticator, Authorizer, User, service_account
from lab.cluster.apiserver.discovery import SUBRESOURCE_KINDS
from lab.cluster.apiserver.negotiation import body_of, json_response, object_of, one
from lab.cluster.apiserver.options import call_of
from lab.cluster.apiserver.requestinfo import RequestInfo
from lab.cluster.apiserver.rest import Handler, Rest
from lab.cluster.model.errors import (
    APIError,
    bad_request,
    conflict,
    invalid,
    invalid_value,
    method_not_allowed,
    too_many,
)
from lab.cluster.model.objects import (
    Obj,
    at,
    is_deleting,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    now,
    uid_of,
)
from lab.cluster.model.resources import Resource
from lab.cluster.model.selectors import from_map, from_object, selects, text_of
from lab.cluster.registry.binding import bind
from lab.cluster.registry.call import Call, DeleteOptions
from lab.cluster.registry.registry import Registry

REVIEWS = (
    "selfsubjectaccessreviews subjectaccessreviews localsubjectaccessreviews "
    "selfsubjectrulesreviews selfsubjectreviews tokenreviews"
).split()
BUDGETS = "poddisruptionbudgets.policy"
SCALE = Resource("autoscaling", "v1", "scales", "Scale", True)
TOKEN_SECONDS = 3600
SHORTEST_TOKEN = 600


def scale_of(obj: Obj) -> Obj:
    """The Scale of a workload."""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = obj["spec"].get("selector")
    requirements = (
        from_map(selector) if obj["kind"] == "ReplicationController" else from_object(selector)
    )
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in kept if key in obj["metadata"]},
        "spec": {"replicas": at(obj, "spec", "replicas", default=0)},
        "status": {
            "replicas": at(obj, "status", "replicas", default=0),
            "selector": text_of(requirements or []),
        },
    }


class Subresources:
    """What can be asked of an object besides itself: its scale, a binding, an eviction, a token.

    ``handlers`` has them by name, for ``APIServer`` to call. The reviews of access (``kubectl auth
    can-i``) are answered here as well: they are resources that are never stored.
    """

    def __init__(
        self, registry: Registry, rest: Rest, authenticator: Authenticator, authorizer: Authorizer
    ) -> None:
        self.registry, self.rest = registry, rest
        self.authenticator, self.authorizer = authenticator, authorizer
        self.handlers: Mapping[str, Handler] = {
            "scale": self.scale,
            "binding": self.binding,
            "eviction": self.eviction,
            "token": self.token,
        }

    async def scale(self, info: RequestInfo, request: web.Request) -> web.Response:
        resource = info.target
        obj = self.registry.get(resource, info.namespace, info.name)
        if info.verb == "get":
            return json_response(one(request, SCALE, scale_of(obj)))
        call = call_of(request, info)
        if info.verb == "update":
            wanted = await object_of(request)
        else:
            wanted = self.rest.change(request.content_type, await body_of(request), resource)(
                scale_of(obj)
            )
        wanted = self._typed("scale", wanted)
        replicas = at(wanted, "spec", "replicas", default=0)
        if replicas < 0:
            wrong = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
            raise invalid("autoscaling", "Scale", info.name, [wrong])
        revision = at(wanted, "metadata", "resourceVersion")
        if revision and revision != obj["metadata"]["resourceVersion"]:
            raise conflict(resource.group, resource.plural, info.name)

        def edit(fresh: Obj) -> Obj:
            fresh["spec"]["replicas"] = replicas
            return fresh

        return json_response(
            scale_of(self.registry.patch(resource, info.namespace, info.name, edit, call))
        )

    def _typed(self, subresource: str, body: Obj) -> Obj:
        """The body as the kind that the subresource takes. APIError (400) for wrong types."""
        group, version, kind = SUBRESOURCE_KINDS[subresource]
        return self.registry.schemas.decode(body, Resource(group, version, "", kind, True)).obj

    async def binding(self, info: RequestInfo, request: web.Request) -> web.Response:
        body = self._typed("binding", await object_of(request))
        pod = self.registry.get(info.target, info.namespace, info.name)
        bind(self.registry.store, pod, at(body, "target", "name", default=""))
        return json_response(_success(), 201)

    async def eviction(self, info: RequestInfo, request: web.Request) -> web.Response:
        body = self._typed("eviction", await object_of(request))
        pod = self.registry.get(info.target, info.namespace, info.name)
        call = call_of(request, info)
        call.subresource = ""
        budgets = self._budgets(pod)
        options = at(body, "deleteOptions", default={})
        wanted = DeleteOptions(
            options.get("gracePeriodSeconds"),
            options.get("propagationPolicy"),
            at(options, "preconditions", "uid"),
        )
        call.dry_run = call.dry_run or options.get("dryRun") == ["All"]
        self.registry.delete(info.target, info.namespace, info.name, wanted, call)
        for budget in budgets if not call.dry_run else []:
            self._use(budget)
        return json_response(_success(), 201)

    def _budgets(self, pod: Obj) -> list[Obj]:
        """The disruption budget that an eviction of the Pod uses, if any.

        APIError (429) when nothing is left of it.
        """
        if is_deleting(pod) or at(pod, "status", "phase") in ("Pending", "Succeeded", "Failed"):
            return []
        listed = self.registry.store.list(BUDGETS, namespace_of(pod))
        covering = [
            budget for budget in listed if selects(at(budget, "spec", "selector"), labels_of(pod))
        ]
        if len(covering) > 1:
            why = (
                "This pod has more than one PodDisruptionBudget, which the eviction subresource"
                " does not support."
            )
            raise APIError(500, "", why)
        for status in (at(budget, "status", default={}) for budget in covering):
            healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
            if not is_true(pod, "Ready") and healthy >= desired > 0:
                return []
            if status.get("disruptionsAllowed", 0) < 1:
                needs = (
                    f"The disruption budget {name_of(covering[0])} needs {desired} healthy pods and"
                    f" has {healthy} currently"
                )
                raise too_many(
                    "Cannot evict pod as it would violate the pod's disruption budget.",
                    "DisruptionBudget",
                    needs,
                )
        return covering

    def _use(self, budget: Obj) -> None:
        """One disruption less, at once: the next eviction may come before the controller looks."""

        def edit(fresh: Obj) -> Obj:
            fresh["status"]["disruptionsAllowed"] -= 1
            return fresh

        call = Call("kube-apiserver", "status", validation="Ignore")
        self.registry.patch(
            self.registry.resources.named(BUDGETS),
            namespace_of(budget),
            name_of(budget),
            edit,
            call,
        )

    async def token(self, info: RequestInfo, request: web.Request) -> web.Response:
        body = self._typed("token", await object_of(request))
        account = self.registry.get(info.target, info.namespace, info.name)
        spec: Obj = body.get("spec") or {}
        seconds = int(spec.get("expirationSeconds") or TOKEN_SECONDS)
        if seconds < SHORTEST_TOKEN:
            error = invalid_value(
                "spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
            )
            raise invalid("authentication.k8s.io", "TokenRequest", "", [error])
        audiences = spec.get("audiences") or [pki.ISSUER]
        identity = {"namespace": info.namespace, "name": info.name, "uid": uid_of(account)}
        token = pki.service_account_token(
            self.authenticator.credentials, identity, seconds, audiences, None
        )
        expires = datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"token": token, "expirationTimestamp": expires}
        meta = {"name": info.name, "namespace": info.namespace, "creationTimestamp": now()}
        full = spec | {"audiences": audiences, "expirationSeconds": seconds}
        answer = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": meta,
            "spec": full,
            "status": status,
        }
        return json_response(answer, 201)

    # ------------------------------------------------------------------ reviews

    async def review(self, info: RequestInfo, request: web.Request, user: User) -> web.Response:
        resource = info.target
        if info.verb != "create":
            raise method_not_allowed(info.verb, resource.plural, resource.group)
        spec: Obj = (
            self.registry.schemas.decode(await object_of(request), resource).obj.get("spec") or {}
        )
        answer: Obj = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": {"creationTimestamp": now()},
        }
        match resource.plural:
            case "selfsubjectreviews":
                status: Any = {"userInfo": user.info()}
                return json_response(one(request, resource, answer | {"status": status}), 201)
            case "tokenreviews":
                found = self.authenticator.by_token(str(spec.get("token") or ""))
                status = (
                    {"authenticated": True, "user": found.info()}
                    if found
                    else {"authenticated": False, "user": {}}
                )
            case "selfsubjectrulesreviews":
                status = self._rules(user, str(spec.get("namespace") or ""))
            case "selfsubjectaccessreviews":
                status = self._access(user, spec)
            case _:
                status = self._access(_named_user(spec), spec)
        return json_response(answer | {"spec": spec, "status": status}, 201)

    def _access(self, user: User, spec: Obj) -> Obj:
        wanted, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if wanted:
            asked = Attributes(
                str(wanted.get("verb", "")),
                str(wanted.get("group", "")),
                str(wanted.get("resource", "")),
                str(wanted.get("subresource", "")),
                str(wanted.get("namespace", "")),
                str(wanted.get("name", "")),
            )
        elif path:
            asked = Attributes(str(path.get("verb", "")), path=str(path.get("path", "/")))
        else:
            raise bad_request(
                "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            )
        if self.authorizer.allowed(user, asked):
            return {"allowed": True}
        reason = self.authorizer.complaint(user, asked.namespace)
        return {"allowed": False} | ({"reason": reason} if reason else {})

    def _rules(self, user: User, namespace: str) -> Obj:
        rules = list(self.authorizer.rules(user, namespace))
        allowed = [r for r in rules if not r.get("nonResourceURLs")]
        paths = [
            {"verbs": r["verbs"], "nonResourceURLs": r["nonResourceURLs"]}
            for r in rules
            if r.get("nonResourceURLs")
        ]
        return {"resourceRules": allowed, "nonResourceRules": paths, "incomplete": False}


def _named_user(spec: Obj) -> User:
    name = str(spec.get("user") or "")
    if name.startswith("system:serviceaccount:") and name.count(":") == 3:
        _, _, namespace, account = name.split(":")
        return service_account(namespace, account)
    return User(name, tuple(spec.get("groups") or ()))


def _success() -> Obj:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
