"""A server on this machine that answers as Zenodo does: a record, its files, ranges of bytes."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORD = "/api/records/13285307"


def make_archive(files: Mapping[str, bytes], *, mode: str = "w:gz") -> bytes:
    """A tar archive with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class RecordServer(ThreadingHTTPServer):
    """Serves files, and notes what it was asked for.

    `cuts` holds, for the next answers with a file, how many bytes are sent before the connection
    breaks; `ranges` can be ignored, as some servers do; `before_file` runs before a file is sent.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.checksums = {
            name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in files.items()
        }
        self.cuts: list[int] = []
        self.knows_ranges = True
        self.before_file: Callable[[], object] = lambda: None
        self.asked: list[tuple[str, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{RECORD}"

    def record(self) -> dict[str, object]:
        """The parts of a record in Zenodo's API that matter here."""
        entries = [
            {
                "id": f"00000000-0000-0000-0000-{number:012d}",
                "key": name,
                "size": len(content),
                "checksum": self.checksums[name],
                "links": {"self": f"{self.url}/files/{name}/content"},
            }
            for number, (name, content) in enumerate(self.files.items())
        ]
        return {"id": 13285307, "doi": "10.5281/zenodo.13285307", "files": entries}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RecordServer

    def do_GET(self) -> None:
        if self.path == RECORD:
            self._send(200, json.dumps(self.server.record()).encode())
            return
        match = re.fullmatch(rf"{RECORD}/files/([^/]+)/content", self.path)
        if match is None or match[1] not in self.server.files:
            self._send(404, b"{}")
            return
        content = self.server.files[match[1]]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.server.knows_ranges else 0
        self.server.asked.append((match[1], start))
        self.server.before_file()
        self._send(206 if start else 200, content[start:], is_file=True)

    def _send(self, code: int, body: bytes, *, is_file: bool = False) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if is_file and self.server.cuts:
            body = body[: self.server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[RecordServer]:
    """Serve files until the block ends."""
    with RecordServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
