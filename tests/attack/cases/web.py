"""Requests that a hostile page, script or neighbour sends to the preview, and what must not come back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx

API = "gradio_api/"
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]", "LOCALHOST")
FOREIGN_HOSTS = (
    "evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example",
    "127.0.0.2:{port}",
    "0.0.0.0:{port}", "[::2]:{port}", "localhost.:{port}", "xlocalhost:{port}", "127.1:{port}", "2130706433:{port}", "",
    "localhost@evil.example", "localhost, evil.example", "localhost:1:2", "[::1", "::1",
    "192.168.1.7:{port}",
)  # fmt: skip
FOREIGN_ORIGINS = (
    "http://evil.example", "http://evil.example:{port}", "https://evil.example", "null", "http://localhost:1",
    "http://127.0.0.1", "http://localhost.evil.example:{port}", "http://127.0.0.2:{port}", "file://",
    "chrome-extension://abcdefgh", "http://localhost@evil.example:{port}", "http://localhost:{port}.evil.example", "",
    "http://localhost:{port}, http://evil.example", "ftp://localhost:{port}", "//localhost:{port}",
)  # fmt: skip
SECRETS = ("root:x:0:0", "Opens the desktop preview", "BEGIN OPENSSH", "TensorFlow Lite runtime")

_TARGETS = ("/etc/passwd", "etc/passwd", "demo_app.py", "preview/page.py", "requirements.txt", "proc/self/environ")
_DOTS = ("..", "%2e%2e", "..%2f..", "%252e%252e", "..%5c", "%c0%ae%c0%ae", "....", "..;", "%00..", "%uff0e%uff0e")
_ROUTES = (
    "file=", "file/", "proxy=", "proxy=http://127.0.0.1:22/", "file=file://", "file=http://127.0.0.1:22/", "stream/",
    "static/",
    "assets/", "custom_component/", "theme.css/", "upload/", "deep_link/", "run/", "call/", "queue/",
    "component_server/",
)  # fmt: skip


def paths() -> Iterator[str]:
    """Paths of URLs, some thousand: ways out of every folder that is served, by every route."""
    for prefix, route, target in itertools.product(("", API), _ROUTES, _TARGETS):
        yield f"{prefix}{route}{target}"
    for route, dots, depth in itertools.product(_ROUTES, _DOTS, (1, 6)):
        yield API + route + "/".join([dots] * depth) + "/etc/passwd"
    for scheme in ("http:", "https:", "ftp:", "HTTP:", "hTTps:", "http%3A", "gopher:", "file:", "data:text/html,"):
        yield f"{API}file={scheme}//192.0.2.1/x"
        yield f"{API}file/{scheme}//192.0.2.1/x"
        yield f"{API}proxy={scheme}//192.0.2.1/x"
    for path in (
        "monitoring",
        "monitoring/summary",
        "token",
        "app_id",
        "docs",
        "openapi.json",
        "dev/reload",
        "login",
        "logout",
    ):
        yield path
        yield API + path


UPLOAD_NAMES = (
    "../../../../tmp/owned.png", "/etc/owned.png", "..\\..\\owned.png", "a\0b.png", "con.png", "a" * 300 + ".png",
    ".", "..",
    "\u202egnp.exe", "<img src=x onerror=alert(1)>.png", "a;rm -rf ~;.png", "$(touch owned).png",
    "`touch owned`.png",
    "{{7*7}}.png", "${jndi:ldap}.png", "x\r\nSet-Cookie: a=b.png", "\U0001f600.png", "-rf.png", "~root.png",
    "%2e%2e%2fx.png",
)  # fmt: skip


def payloads() -> Iterator[object]:
    """JSON bodies for an endpoint that takes [file, text, text]."""
    uploaded = {"_type": "gradio.FileData"}
    files: list[object] = [
        None, 7, "x", [], {}, True, "/etc/passwd", {"path": None}, {"path": 7}, {"path": []}, {"path": ""},
        {"path": "/"},
        {"path": "a\0b"}, {"path": "x" * 100_000}, {"url": "http://192.0.2.1/"}, {"path": "http://192.0.2.1/",
        "meta": uploaded},
        {"path": "/etc/passwd", "meta": uploaded}, {"path": "../../etc/passwd", "meta": uploaded},
        {"path": "file:///etc/passwd", "meta": uploaded}, {"path": "/proc/self/environ", "meta": uploaded},
        {"path": "/dev/zero", "meta": uploaded}, {"path": None, "url": "data:image/png;base64,AAAA", "meta": uploaded},
        {"path": "/etc/passwd", "is_stream": True, "meta": uploaded}, {"path": "\ud800", "meta": uploaded},
        {"path": "/etc/passwd", "orig_name": "x.png", "mime_type": "image/png", "size": -1, "meta": uploaded},
    ]  # fmt: skip
    texts: list[object] = ["", None, 7, [], {}, "x" * 100_000, "\0", "../..", "{{7*7}}"]
    for file in files:
        yield {"data": [file, "", "crop"]}
    for key, protocol in itertools.product(texts, texts):
        yield {"data": [None, key, protocol]}
    deep: object = None
    for _ in range(500):
        deep = [deep]
    for data in ([], [1] * 10_000, {}, None, "x", 7, [deep, deep, deep]):
        yield {"data": data}
    yield from ([], 7, None, {"data": [None, "", "crop"], "session_hash": ["x"]}, {"data": [None], "fn_index": 10**9})
    yield {"data": [None, "", "crop"], "event_data": {"x": deep}, "trigger_id": "x", "batched": True}


def fetched(url: str) -> str:
    """What comes within seconds; a stream may be cut off instead of an answer."""
    text = ""
    try:
        with httpx.stream("GET", url, timeout=3) as stream:
            for line in stream.iter_lines():
                text += line
    except httpx.HTTPError:
        pass
    return text
