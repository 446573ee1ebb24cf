"""A Hugging Face hub on loopback: real HTTP, with what the client asks for and files of this project's own making."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.commands import ROOT, environment

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOCK = b"\0" * 2**20


class Hub:
    """What the server hands out, and what it was asked.

    Attributes:
      files: content by "OWNER/NAME/FILE".
      fault: "" or how it misbehaves: "cut" closes in the middle of every download, "endless" never ends one, "other"
        sends other bytes than it announced, "broken" fails with 500, "no_hash" announces none, "no_commit" no commit,
        "huge" a size beyond all bounds, "gated" asks for terms to be accepted, "unknown" has no repository.
      asked: every request as "METHOD path".
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.fault, self.asked = files, "", []
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def downloads(self) -> int:
        return sum(line.startswith("GET /storage/") for line in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, code: str) -> None:
        self._answer(403 if code == "GatedRepo" else 404, {"X-Error-Code": code, "X-Repo-Commit": COMMIT})

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)  # a proxy is asked with the whole address
        self.hub.asked.append(f"{self.command} {path}")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client gave up
            if path.startswith("/storage/"):
                self._send(self.hub.files[path.removeprefix("/storage/")])
            else:
                self._resolve(path)

    do_HEAD = do_GET  # noqa: N815  the standard library calls it so

    def _resolve(self, path: str) -> None:
        """The hub's own answer: what a file is, and where its bytes lie."""
        parts, hub = path.strip("/").split("/"), self.hub
        if hub.fault == "broken":
            return self._answer(500, {})
        if len(parts) != 5 or parts[2] != "resolve":
            return self._answer(404, {})
        repository, revision, name = "/".join(parts[:2]), parts[3], parts[4]
        if hub.fault == "gated":
            return self._missing("GatedRepo")
        if hub.fault == "unknown" or not any(key.startswith(f"{repository}/") for key in hub.files):
            return self._missing("RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._missing("RevisionNotFound")
        content = hub.files.get(f"{repository}/{name}")
        if content is None:
            return self._missing("EntryNotFound")
        size = 2**40 if hub.fault == "huge" else len(content)
        headers = {"Location": f"http://localhost:{hub.port}/storage/{repository}/{name}", "X-Linked-Size": str(size)}
        headers |= {} if hub.fault == "no_commit" else {"X-Repo-Commit": COMMIT}
        digest = hashlib.sha256(content).hexdigest()
        return self._answer(302, headers | {"X-Linked-Etag": f'"{digest if hub.fault != "no_hash" else "1-2"}"'})

    def _send(self, content: bytes) -> None:
        """The bytes, or what a bad line or a bad hub makes of them."""
        fault = self.hub.fault
        if fault == "endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while True:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
        if fault == "cut":
            self.close_connection = True
            return self._answer(200, {"Content-Length": str(len(content))}, content[: len(content) // 2])
        return self._answer(200, {}, bytes(len(content)) if fault == "other" else content)


def environment_of(hub: Hub, home: Path) -> dict[str, str]:
    """This process's environment with the hub's address and a cache of its own, and without what keeps from it."""
    own = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
    other = {"HF_HUB_OFFLINE", "NO_PROXY", "no_proxy"}  # the preview sets them for its own process
    return {name: value for name, value in environment(**own).items() if name not in other}


@contextlib.contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Hub]:
    """A running hub with `files`."""
    hub = Hub(files)
    server = ThreadingHTTPServer(("", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads, hub.port = True, server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
