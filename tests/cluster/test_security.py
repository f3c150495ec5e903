"""Certificates of a cluster."""

from pipeline.cluster.options import ClusterOptions
from pipeline.cluster.security import security_of

FILES = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


def test_every_role_shows_the_same_certificate_and_asks_for_one() -> None:
    security = security_of(ClusterOptions(tls=FILES))
    assert security is not None
    assert security.require_encryption
    for role in ("client", "scheduler", "worker"):
        told = security.get_tls_config_for_role(role)
        assert (told["ca_file"], told["cert"], told["key"]) == ("ca.pem", "cert.pem", "key.pem")


def test_without_files_there_is_none() -> None:
    assert security_of(ClusterOptions()) is None
