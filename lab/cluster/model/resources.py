"""What the API serves: each resource with its names, scope, verbs and subresources.

CustomResourceDefinitions add to it.
"""

from dataclasses import dataclass, field

from lab.cluster.model.objects import Obj

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
VERBS = {
    "*": ALL_VERBS,
    "ns": tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    "create": ("create",),
    "read": ("get", "list"),
}

# apiVersion plural Kind scope verbs shortNames categories subresources
TABLE = """
v1 bindings Binding ns create - - -
v1 componentstatuses ComponentStatus cluster read cs - -
v1 configmaps ConfigMap ns * cm - -
v1 endpoints Endpoints ns * ep - -
v1 events Event ns * ev - -
v1 limitranges LimitRange ns * limits - -
v1 namespaces Namespace cluster ns ns - status,finalize
v1 nodes Node cluster * no - status,proxy
v1 persistentvolumeclaims PersistentVolumeClaim ns * pvc - status
v1 persistentvolumes PersistentVolume cluster * pv - status
v1 pods Pod ns * po all status,log,exec,attach,portforward,proxy,eviction,binding,ephemeralcontainers,resize
v1 podtemplates PodTemplate ns * - - -
v1 replicationcontrollers ReplicationController ns * rc all status,scale
v1 resourcequotas ResourceQuota ns * quota - status
v1 secrets Secret ns * - - -
v1 serviceaccounts ServiceAccount ns * sa - token
v1 services Service ns * svc all status,proxy
admissionregistration.k8s.io/v1 mutatingadmissionpolicies MutatingAdmissionPolicy cluster * - api-extensions -
admissionregistration.k8s.io/v1 mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding cluster * - api-extensions -
admissionregistration.k8s.io/v1 mutatingwebhookconfigurations MutatingWebhookConfiguration cluster * - api-extensions -
admissionregistration.k8s.io/v1 validatingadmissionpolicies ValidatingAdmissionPolicy cluster * - api-extensions status
admissionregistration.k8s.io/v1 validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding cluster * - api-extensions -
admissionregistration.k8s.io/v1 validatingwebhookconfigurations ValidatingWebhookConfiguration cluster * - api-extensions -
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition cluster * crd,crds api-extensions status
apiregistration.k8s.io/v1 apiservices APIService cluster * - api-extensions status
apps/v1 controllerrevisions ControllerRevision ns * - - -
apps/v1 daemonsets DaemonSet ns * ds all status
apps/v1 deployments Deployment ns * deploy all status,scale
apps/v1 replicasets ReplicaSet ns * rs all status,scale
apps/v1 statefulsets StatefulSet ns * sts all status,scale
authentication.k8s.io/v1 selfsubjectreviews SelfSubjectReview cluster create - - -
authentication.k8s.io/v1 tokenreviews TokenReview cluster create - - -
authorization.k8s.io/v1 localsubjectaccessreviews LocalSubjectAccessReview ns create - - -
authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview cluster create - - -
authorization.k8s.io/v1 selfsubjectrulesreviews SelfSubjectRulesReview cluster create - - -
authorization.k8s.io/v1 subjectaccessreviews SubjectAccessReview cluster create - - -
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler ns * hpa all status
autoscaling/v1 horizontalpodautoscalers HorizontalPodAutoscaler ns * hpa all status
batch/v1 cronjobs CronJob ns * cj all status
batch/v1 jobs Job ns * - all status
certificates.k8s.io/v1 certificatesigningrequests CertificateSigningRequest cluster * csr - approval,status
coordination.k8s.io/v1 leases Lease ns * - - -
discovery.k8s.io/v1 endpointslices EndpointSlice ns * - - -
events.k8s.io/v1 events Event ns * ev - -
flowcontrol.apiserver.k8s.io/v1 flowschemas FlowSchema cluster * - - status
flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations PriorityLevelConfiguration cluster * - - status
networking.k8s.io/v1 ingressclasses IngressClass cluster * - - -
networking.k8s.io/v1 ingresses Ingress ns * ing - status
networking.k8s.io/v1 ipaddresses IPAddress cluster * ip - -
networking.k8s.io/v1 networkpolicies NetworkPolicy ns * netpol - -
networking.k8s.io/v1 servicecidrs ServiceCIDR cluster * - - status
node.k8s.io/v1 runtimeclasses RuntimeClass cluster * - - -
policy/v1 poddisruptionbudgets PodDisruptionBudget ns * pdb - status
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding cluster * - - -
rbac.authorization.k8s.io/v1 clusterroles ClusterRole cluster * - - -
rbac.authorization.k8s.io/v1 rolebindings RoleBinding ns * - - -
rbac.authorization.k8s.io/v1 roles Role ns * - - -
resource.k8s.io/v1 deviceclasses DeviceClass cluster * - - -
resource.k8s.io/v1 resourceclaims ResourceClaim ns * - - status
resource.k8s.io/v1 resourceclaimtemplates ResourceClaimTemplate ns * - - -
resource.k8s.io/v1 resourceslices ResourceSlice cluster * - - -
scheduling.k8s.io/v1 priorityclasses PriorityClass cluster * pc - -
storage.k8s.io/v1 csidrivers CSIDriver cluster * - - -
storage.k8s.io/v1 csinodes CSINode cluster * - - -
storage.k8s.io/v1 csistoragecapacities CSIStorageCapacity ns * - - -
storage.k8s.io/v1 storageclasses StorageClass cluster * sc - -
storage.k8s.io/v1 volumeattachments VolumeAttachment cluster * - - status
storage.k8s.io/v1 volumeattributesclasses VolumeAttributesClass cluster * vac - -
"""

# Resources that are the same objects in another group's clothes; they are kept once.
STORED_AS = {"events.events.k8s.io": "events"}
SINGULAR = {"endpoints": "endpoints"}


@dataclass(frozen=True)
class Resource:
    """One resource of one API version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    singular: str = ""
    crd: Obj | None = field(default=None, compare=False, hash=False)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``deployments.apps``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def stored_as(self) -> str:
        """The name under which the store keeps it."""
        return STORED_AS.get(self.qualified, self.qualified)


def _split(text: str) -> tuple[str, ...]:
    return () if text == "-" else tuple(text.split(","))


def _parse(line: str) -> Resource:
    api_version, plural, kind, scope, verbs, short, categories, subresources = line.split()
    group, _, version = api_version.rpartition("/")
    return Resource(
        group,
        version,
        plural,
        kind,
        scope == "ns",
        VERBS[verbs],
        _split(short),
        _split(categories),
        _split(subresources),
        SINGULAR.get(plural, kind.lower()),
    )


class Resources:
    """All that is served now: the table above, and what CustomResourceDefinitions add.

    Groups come in discovery's order, the preferred version of a group first.
    """

    def __init__(self) -> None:
        self.builtin = [_parse(line) for line in TABLE.strip().splitlines()]
        self.custom: dict[str, list[Resource]] = {}

    def all(self) -> list[Resource]:
        return [
            *self.builtin,
            *(resource for name in sorted(self.custom) for resource in self.custom[name]),
        ]

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        wanted = (group, version, plural)
        return next((r for r in self.all() if (r.group, r.version, r.plural) == wanted), None)

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        return next(
            (r for r in self.all() if r.api_version == api_version and r.kind == kind), None
        )

    def named(self, qualified: str) -> Resource:
        """By ``deployments.apps``: the preferred version. KeyError when there is none."""
        for resource in self.all():
            if resource.qualified == qualified:
                return resource
        raise KeyError(qualified)

    def groups(self) -> dict[str, list[str]]:
        """Group to versions, in order."""
        versions_of: dict[str, list[str]] = {}
        for resource in self.all():
            versions = versions_of.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return versions_of

    def serve_custom(self, crd: Obj) -> None:
        """Serve what a CustomResourceDefinition defines, from now on."""
        spec = crd["spec"]
        names = spec["names"]
        self.custom[crd["metadata"]["name"]] = [
            Resource(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                spec["scope"] == "Namespaced",
                ALL_VERBS,
                tuple(names.get("shortNames") or ()),
                tuple(names.get("categories") or ()),
                tuple(version.get("subresources") or ()),
                names.get("singular") or names["kind"].lower(),
                version,
            )
            for version in spec["versions"]
            if version.get("served", True)
        ]

    def stop_custom(self, name: str) -> None:
        self.custom.pop(name, None)
