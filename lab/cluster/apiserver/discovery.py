"""Discovery: which groups, versions and resources there are, aggregated and in the older form."""

import hashlib
import json

from lab.cluster.model.objects import Obj
from lab.cluster.model.resources import Resource, Resources

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

# What a subresource takes or gives, where it is not the resource's own kind; and the verbs it
# knows.
SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "binding": ("", "v1", "Binding"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}
SUBRESOURCE_VERBS = {
    "eviction": ["create"],
    "binding": ["create"],
    "token": ["create"],
    "log": ["get"],
    "finalize": ["update"],
    "exec": ["create", "get"],
    "attach": ["create", "get"],
    "portforward": ["create", "get"],
    "proxy": ["create", "delete", "get", "patch", "update"],
}


def etag(document: Obj) -> str:
    return '"' + hashlib.sha256(json.dumps(document).encode()).hexdigest().upper()[:64] + '"'


def _kind(group: str, version: str, kind: str) -> Obj:
    return {"group": group, "version": version, "kind": kind}


def _subresource_kind(resource: Resource, name: str) -> Obj:
    return _kind(*SUBRESOURCE_KINDS.get(name, (resource.group, resource.version, resource.kind)))


def _subresource_verbs(name: str) -> list[str]:
    return SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"])


def aggregated(resources: Resources, *, core: bool) -> Obj:
    """An APIGroupDiscoveryList of the core group or of all others."""
    items = []
    for group, versions in resources.groups().items():
        if (group == "") == core:
            listed = [
                {
                    "version": version,
                    "resources": [
                        _aggregated_resource(r)
                        for r in resources.all()
                        if (r.group, r.version) == (group, version)
                    ],
                    "freshness": "Current",
                }
                for version in versions
            ]
            items.append({"metadata": {"name": group} if group else {}, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(resource: Resource) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _subresource_kind(resource, name),
                "verbs": _subresource_verbs(name),
            }
            for name in resource.subresources
        ]
    return entry


def _group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def api_versions(address: str) -> Obj:
    server = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": server}


def api_groups(resources: Resources) -> Obj:
    groups = [_group(name, versions) for name, versions in resources.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(resources: Resources, name: str) -> Obj | None:
    versions = resources.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if versions else None


def api_resources(resources: Resources, group: str, version: str) -> Obj | None:
    """An APIResourceList of one group and version."""
    listed = [r for r in resources.all() if (r.group, r.version) == (group, version)]
    if not listed:
        return None
    entries: list[Obj] = []
    for resource in listed:
        entry: Obj = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        entries.append(entry)
        entries += [
            {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "verbs": _subresource_verbs(name),
            }
            | _subresource_kind(resource, name)
            for name in resource.subresources
        ]
    api_version = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": entries,
    }
