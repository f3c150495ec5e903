"""Certificates: what encrypts a cluster's connections, and proves who is at either end."""

from distributed import Security

from pipeline.cluster.options import ClusterOptions


def security_of(options: ClusterOptions) -> Security | None:
    """Return the same certificate for every role; None where ``tls`` names none."""
    if options.tls is None:
        return None
    roles = ("client", "scheduler", "worker")
    files = {f"tls_{role}_{part}": options.tls[part] for role in roles for part in ("cert", "key")}
    return Security(tls_ca_file=options.tls["ca"], require_encryption=True, **files)  # type: ignore[no-untyped-call]
