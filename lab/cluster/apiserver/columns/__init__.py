"""The columns of each resource, and the functions that fill them."""

from lab.cluster.apiserver.columns import base, config, networking, pods, workloads

WORKLOAD = "Containers* Images* Selector*"
PRINTERS = {
    "pods": ("Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*", pods.pod),
    "deployments.apps": (f"Name Ready Up-to-date Available Age {WORKLOAD}", workloads.deployment),
    "replicasets.apps": (f"Name Desired# Current# Ready# Age {WORKLOAD}", workloads.replica_set),
    "replicationcontrollers": (
        f"Name Desired# Current# Ready# Age {WORKLOAD}",
        workloads.replication_controller,
    ),
    "statefulsets.apps": ("Name Ready Age Containers* Images*", workloads.stateful_set),
    "daemonsets.apps": (
        f"Name Desired# Current# Ready# Up-to-date# Available# Node_Selector Age {WORKLOAD}",
        workloads.daemon_set,
    ),
    "jobs.batch": (f"Name Status Completions Duration Age {WORKLOAD}", workloads.job),
    "cronjobs.batch": (
        f"Name Schedule Timezone Suspend Active# Last_Schedule Age {WORKLOAD}",
        workloads.cron_job,
    ),
    "horizontalpodautoscalers.autoscaling": (
        "Name Reference Targets MinPods MaxPods# Replicas# Age",
        workloads.autoscaler,
    ),
    "scales.autoscaling": ("Name Desired# Available# Age", workloads.scale),
    "services": ("Name Type Cluster-IP External-IP Port(s) Age Selector*", networking.service),
    "endpoints": ("Name Endpoints Age", networking.endpoints),
    "endpointslices.discovery.k8s.io": (
        "Name AddressType Ports Endpoints Age",
        networking.endpoint_slice,
    ),
    "ingresses.networking.k8s.io": ("Name Class Hosts Address Ports Age", networking.ingress),
    "ingressclasses.networking.k8s.io": ("Name Controller Parameters Age", config.ingress_class),
    "networkpolicies.networking.k8s.io": ("Name Pod-Selector Age", networking.network_policy),
    "nodes": (
        (
            "Name Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version*"
            " Container-Runtime*"
        ),
        config.node,
    ),
    "events": (
        "Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count#* Name*",
        config.event,
    ),
    "events.events.k8s.io": (
        "Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count#* Name*",
        config.new_event,
    ),
    "namespaces": ("Name Status Age", config.namespace),
    "secrets": ("Name Type Data# Age", config.secret),
    "configmaps": ("Name Data# Age", config.config_map),
    "serviceaccounts": ("Name Age", base.name_age),
    "persistentvolumes": (
        (
            "Name Capacity Access_Modes Reclaim_Policy Status Claim StorageClass"
            " VolumeAttributesClass Reason Age VolumeMode*"
        ),
        config.volume,
    ),
    "persistentvolumeclaims": (
        (
            "Name Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age"
            " VolumeMode*"
        ),
        config.claim,
    ),
    "storageclasses.storage.k8s.io": (
        "Name Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age",
        config.storage_class,
    ),
    "resourcequotas": ("Name Request Limit Age", config.quota),
    "rolebindings.rbac.authorization.k8s.io": (
        "Name Role Age Users* Groups* ServiceAccounts*",
        config.binding,
    ),
    "clusterrolebindings.rbac.authorization.k8s.io": (
        "Name Role Age Users* Groups* ServiceAccounts*",
        config.binding,
    ),
    "poddisruptionbudgets.policy": (
        "Name Min_Available Max_Unavailable Allowed_Disruptions# Age",
        config.disruption_budget,
    ),
    "priorityclasses.scheduling.k8s.io": (
        "Name Value# Global-Default Age PreemptionPolicy",
        config.priority_class,
    ),
    "leases.coordination.k8s.io": ("Name Holder Age", config.lease),
    "controllerrevisions.apps": ("Name Controller Revision# Age", config.controller_revision),
    "podtemplates": ("Name Containers Images Pod_Labels", config.pod_template),
    "runtimeclasses.node.k8s.io": ("Name Handler Age", config.runtime_class),
    "volumeattributesclasses.storage.k8s.io": ("Name DriverName Age", config.attributes_class),
    "csinodes.storage.k8s.io": ("Name Drivers# Age", config.storage_node),
    "servicecidrs.networking.k8s.io": ("Name CIDRs Age", config.address_range),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (
        "Name Webhooks# Age",
        config.webhooks,
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        "Name Webhooks# Age",
        config.webhooks,
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": (
        "Name Validations# ParamKind Age",
        config.admission_policy,
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": (
        "Name PolicyName ParamRef Age",
        config.admission_binding,
    ),
    "componentstatuses": ("Name Status Message Error", config.component),
}
