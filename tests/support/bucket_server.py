"""A server on loopback that speaks S3, for tests: what it holds outlives a stop, and it can be told to break."""

import threading
import urllib.request
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import S3Store
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from pipeline.errors import OutputError
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}

Request = tuple[str, str]
"""A method and a path."""


class Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


class BucketServer:
    """moto's S3 in this process, and a bucket in it.

    ``seen`` are the requests in their order, ``signed`` whether each came with a key; ``before`` is called with each: a
    PermissionError in it is a refusal, a ConnectionError a server that cannot answer just now.  With ``is_ceph`` it
    compares etags as Ceph does before 2025: a quoted ``If-Match`` never fits.  With ``loses_answers`` it does what it
    is asked, and says that it cannot.
    """

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.signed: list[bool] = []
        self.before: Callable[[Request], None] = lambda _: None
        self.is_ceph = self.loses_answers = False
        self.port = 0
        self.bucket = ""
        self._numbers = count()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None

    def start(self) -> None:
        """Listen, on the port that was used before."""
        if self._server is None:
            self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True, request_handler=Silent)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more; nothing is forgotten."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def renew(self) -> None:
        """Go on with a new bucket, as if nothing had been asked so far."""
        self.bucket = f"bucket-{next(self._numbers)}"
        url = f"http://127.0.0.1:{self.port}/{self.bucket}"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
        self.seen.clear()
        self.signed.clear()

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def url(self, prefix: str) -> str:
        """Return what a user calls a folder in the bucket."""
        return f"s3://{self.bucket}/{prefix}"

    def opened(self, prefix: str) -> Bucket:
        """Return a folder in the bucket, as an output is opened."""
        return Bucket.open(Address(self.bucket, prefix), OutputError)

    def put_tree(self, folder: Path, prefix: str) -> None:
        """Put every file of a folder into the bucket."""
        store = S3Store(self.bucket, prefix=prefix, client_options={"allow_http": True})
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            store.put(path.relative_to(folder).as_posix(), path)

    def tree(self, prefix: str) -> dict[str, bytes]:
        """Return every object below a prefix."""
        bucket = self.opened(prefix)
        return {found.name: b"".join(bucket.blocks(found.name)) for found in bucket.objects()}

    def written(self) -> list[str]:
        """Return the paths of what was written and removed since the bucket was new, in order."""
        start = f"/{self.bucket}/"
        return [path.removeprefix(start) for method, path in self.seen if method == "PUT" and path.startswith(start)]

    def _answer(self, environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = environment["REQUEST_METHOD"], environment["PATH_INFO"]
        self.seen.append(request)
        self.signed.append("HTTP_AUTHORIZATION" in environment)
        try:
            self.before(request)
        except (ConnectionError, PermissionError) as error:
            start("403 Forbidden" if isinstance(error, PermissionError) else "503 Service Unavailable", [])
            return []
        expected = environment.get("HTTP_IF_MATCH")
        if self.is_ceph and expected:
            if expected.startswith('"'):
                start("412 Precondition Failed", [])
                return []
            environment["HTTP_IF_MATCH"] = f'"{expected}"'
        if self.loses_answers and expected:
            self.loses_answers = False
            self._app(environment, lambda *_: lambda _: None)
            start("503 Service Unavailable", [])
            return []
        answer: Iterable[bytes] = self._app(environment, start)
        return answer
