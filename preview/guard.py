"""Who may talk to the page: browsers and scripts that name this computer, and no other web page through them.

A page on loopback is reached by any web site that the user visits: by DNS rebinding, where the site's own name comes to
mean 127.0.0.1, and by forms and scripts that send across sites. Both tell in the headers Host and Origin.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preview import settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_UNUSED = re.compile(r"/(?:proxy=|dev/reload|deep_link|stream/)")  # Gradio's, for what this page has not
_UPLOAD = re.compile(r"(?:/gradio_api)?/upload/?")  # streamed to disk, with limits of its own
_ONE_RANGE = re.compile(rb"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)")  # Gradio answers several with an error
_NO_FRAME = (b"content-security-policy", b"frame-ancestors 'none'")  # nobody shows the page inside his own
_FOREIGN_ADDRESS = re.compile(r"/file[=/][a-z][a-z0-9+.-]*:", re.IGNORECASE)  # /file=http://...


class LocalOnly:
    """Refuses every request with a foreign Host or Origin, or too large a body, before anything else looks at it.

    With `share` the public link's own name is a right Host, so any is taken; an Origin must still be that of the Host.
    """

    def __init__(self, app: ASGIApp, share: bool) -> None:
        self._app, self._share = app, share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal, too_large = self._refusal(scope), _too_large(scope)
        if refusal is None and too_large is None:
            headers = [
                (name, value) for name, value in scope["headers"] if name != b"range" or _ONE_RANGE.fullmatch(value)
            ]
            await self._app({**scope, "headers": headers}, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            status = 403 if refusal else 413
            await PlainTextResponse(f"{refusal or too_large}\n", status_code=status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = _split(hosts[0]) if len(hosts) == 1 else None
        if host is None or (host[0] not in LOOPBACK and not self._share):
            return f"this page answers to {', '.join(LOOPBACK)} alone: open it under one of these names"
        if len(origins) > 1 or (origins and not _is_same(origins[0], host)):
            return "this page takes nothing from other web pages: open it in a window of its own"
        if _UNUSED.search(scope["path"]):
            return "this page has no such part"
        if _FOREIGN_ADDRESS.search(scope["path"]):
            return "a web address is not fetched: send the file itself"
        return None


def _too_large(scope: Scope) -> str | None:
    """A body is held in memory as a whole: what is no upload must say its size first, and stay below the limit."""
    headers = Headers(scope=scope)
    if _UPLOAD.fullmatch(scope["path"]):
        return None
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal() or int(length[:20]) > settings.MAX_BODY_BYTES:
        return f"a request is at most {settings.MAX_BODY_BYTES // 2**20} MB and says its length: upload files first"
    return None


def _unframed(send: Send) -> Send:
    """The answer says that no other page may show it in a frame."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _NO_FRAME]
        await send(message)

    return answer


def _split(authority: str) -> tuple[str, str] | None:
    """ "LocalHost:7860" -> ("localhost", "7860"); None where it is neither a name nor a number."""
    match = _AUTHORITY.fullmatch(authority)
    return (match["host"].lower(), match["port"] or "") if match else None


def _is_same(origin: str, host: tuple[str, str]) -> bool:
    """The page's own origin, under whichever of this computer's names."""
    scheme, _, rest = origin.partition("://")
    own = _split(rest) if scheme in ("http", "https") else None
    if own is None or own[1] != host[1]:
        return False
    return own[0] == host[0] or (own[0] in LOOPBACK and host[0] in LOOPBACK)


def lifespan(share: bool) -> Any:
    """For FastAPI: puts `LocalOnly` around all of Gradio's own middleware, before the first request is taken."""

    @contextlib.asynccontextmanager
    async def around(app: Starlette) -> AsyncIterator[None]:
        assert app.middleware_stack is not None, "the server starts through it"
        app.middleware_stack = LocalOnly(app.middleware_stack, share)
        yield

    return around
