"""EndpointSlices, as their controller writes them and the proxies read them."""

SLICES = "endpointslices.discovery.k8s.io"
SERVICE = "kubernetes.io/service-name"  # the label of a slice with the name of its Service
