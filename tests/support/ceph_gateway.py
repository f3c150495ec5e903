"""A real Ceph of one machine for tests: monitor, memory store and gateway on loopback, from Debian's packages."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
"""Debian: ``apt-get install ceph-mon ceph-osd radosgw``."""

PATIENCE_SECONDS = 120
CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{port}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
keyring = {folder}/keyring
ms bind ipv6 = false
"""


def find_missing_programs() -> list[str]:
    """Return the programs of Ceph that are not here."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class _Ceph:
    """The programs of one Ceph, and what is called beside them; its configuration lies in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.gateway_port = folder, _free_port(), _free_port()
        self.fsid = uuid4()
        content = CONFIGURATION.format(fsid=self.fsid, port=self.port, folder=folder)
        (folder / "ceph.conf").write_text(content)
        self._environment = os.environ | {"CEPH_CONF": str(folder / "ceph.conf")}
        self._started: list[subprocess.Popen[bytes]] = []

    def call(self, *words: object) -> None:
        done = [str(word) for word in words]
        subprocess.run(done, check=True, capture_output=True, env=self._environment, timeout=PATIENCE_SECONDS)

    def start(self, *words: object) -> None:
        with (self.folder / "programs.log").open("ab") as log:
            self._started.append(subprocess.Popen([*map(str, words)], stdout=log, stderr=log, env=self._environment))

    def start_monitor(self) -> None:
        keyring, monmap = self.folder / "keyring", self.folder / "monmap"
        (self.folder / "mon").mkdir()
        rights = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
        self.call("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", *rights[:3])
        self.call("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *rights)
        address = f"[v1:127.0.0.1:{self.port}]"
        self.call("monmaptool", "--create", "--addv", "a", address, "--fsid", self.fsid, monmap)
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self.start("ceph-mon", "-i", "a", "-f")

    def start_store(self) -> None:
        uuid = uuid4()
        (self.folder / "osd").mkdir()
        self.call("ceph", "osd", "new", uuid)
        self.call("ceph-osd", "-i", 0, "--mkfs", "--osd-uuid", uuid)
        self.start("ceph-osd", "-i", 0, "-f")

    def start_gateway(self) -> None:
        frontend = f"beast endpoint=127.0.0.1:{self.gateway_port}"
        self.start("radosgw", "-n", "client.rgw", "--rgw-frontends", frontend, "-f")
        user = ("--uid=ctprep", "--display-name=ctprep", "--access-key=ACCESS", "--secret=SECRET")
        self.call("radosgw-admin", "user", "create", *user)
        _await_port(self.gateway_port)

    def close(self) -> None:
        for process in reversed(self._started):
            process.kill()
            process.wait()


@contextmanager
def open_gateway(folder: Path) -> Iterator[dict[str, str]]:
    """Start a gateway, and yield the environment that a client of it needs; every process ends with the block."""
    with closing(_Ceph(folder)) as ceph:
        ceph.start_monitor()
        ceph.start_store()
        ceph.start_gateway()
        yield {
            "AWS_ACCESS_KEY_ID": "ACCESS",
            "AWS_SECRET_ACCESS_KEY": "SECRET",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ceph.gateway_port}",
        }


def _await_port(port: int) -> None:
    began = time.monotonic()
    while True:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() - began < PATIENCE_SECONDS
        time.sleep(0.1)
