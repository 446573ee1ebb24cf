"""The running preview: requests past what it takes, and the page after everything that was thrown at it."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from support.commands import ROOT
from support.photo_files import photo

from attack.cases import web as web_cases
from attack.cases.web import fetched


def test_the_page_answers_as_before_after_every_path_and_payload(preview):
    url = f"{preview.url}gradio_api/call/classify"
    with httpx.Client(timeout=30) as client:
        for path in list(web_cases.paths())[::7]:
            text = fetched(preview.url + path)
            assert not any(secret in text for secret in web_cases.SECRETS), path
        for body in list(web_cases.payloads())[::7]:
            content = json.dumps(body).encode()
            assert client.post(url, content=content, headers={"Content-Type": "application/json"}).status_code < 500
    answer = Client(preview.url, verbose=False, ssl_verify=False).predict(
        handle_file(ROOT / "examples" / "dandelion.jpg"), api_name="/classify"
    )
    assert answer["label"]
    with pytest.raises(AppError, match="no photo yet"):
        Client(preview.url, verbose=False, ssl_verify=False).predict(None, api_name="/classify")


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


def uploaded(preview, name: str, data: bytes) -> dict:
    [path] = httpx.post(f"{preview.url}gradio_api/upload", files={"files": (name, data)}).json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def told(preview, endpoint: str, *values: object) -> str:
    call = f"{preview.url}gradio_api/call/{endpoint}"
    event = httpx.post(call, json={"data": values}).json()["event_id"]
    return httpx.get(f"{call}/{event}", timeout=60).text


def many_pieces() -> Iterator[bytes]:
    yield b'{"data": ["'
    for _ in range(400):
        yield b"x" * 100_000


def test_a_body_that_would_fill_the_memory_is_refused_before_it_is_read(preview):
    before = preview.memory_mb()
    for endpoint, body in (("classify", b"x" * 40_000_000), ("classify", many_pieces()), ("upload", many_pieces())):
        url, headers = f"{preview.url}gradio_api/call/{endpoint}", {"Content-Type": "application/json"}
        answer = httpx.post(url, content=body, headers=headers)
        assert answer.status_code == 413
        assert answer.text == "a request is at most 16 MB and says its length: upload files first\n"
    field = b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + bytes(40_000_000) + b"\r\n--b--\r\n"
    answer = httpx.post(f"{preview.url}gradio_api/upload", content=field, headers=MULTIPART)
    assert (answer.status_code, answer.text) == (400, "only files are uploaded here")
    assert preview.memory_mb() < before + 30


def test_a_model_that_is_named_a_hundred_times_answers_once(preview):
    file = uploaded(preview, "a.png", photo(1, format="PNG"))
    keys = {model["key"] for model in Client(preview.url, verbose=False, ssl_verify=False).predict(api_name="/models")}
    for named in (",".join(100 * sorted(keys)), None):
        answer = json.loads(told(preview, "compare", file, named, "crop").split("data: ")[-1])
        assert len(answer[0]["answers"]) == len(keys) == 2
    assert len(told(preview, "classify", file, "", "x" * 100_000)) < 400


def test_parts_of_a_file_come_and_no_request_for_many_is_an_error(preview):
    data = photo(2, format="PNG")
    url = f"{preview.url}gradio_api/file={uploaded(preview, 'a.png', data)['path']}"
    assert httpx.get(url, headers={"Range": "bytes=1-3"}).content == data[1:4]
    for text in ("bytes=0-0,2-2", "bytes=" + "0-," * 5_000, "x", "bytes=--1"):
        answer = httpx.get(url, headers={"Range": text})
        assert (answer.status_code, answer.content) == (200, data)


def test_no_other_page_may_frame_it_and_nothing_uploaded_is_shown_as_a_page(preview):
    assert httpx.get(preview.url).headers["content-security-policy"] == "frame-ancestors 'none'"
    for name in ("evil.html", "evil.svg", "evil.xhtml", "evil"):
        path = uploaded(preview, name, b"<script>alert(1)</script>")["path"]
        headers = httpx.get(f"{preview.url}gradio_api/file={path}").headers
        assert headers["content-disposition"].startswith("attachment"), name


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 50_000,
        b"POST /gradio_api/call/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n",
        b"GET /config HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS
    ],
    ids=["a long header", "many headers", "a negative length", "a websocket", "TRACE", "TLS"],
)
def test_what_is_no_request_of_this_page_is_answered_or_hung_up(preview, text):
    port = int(re.search(r":(\d+)/", preview.url)[1])
    answer = [b""]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(text + b"\r\n\r\n")
        answer = connection.recv(100).split(b" ")
    assert answer == [b""] or answer[1] in (b"200", b"400", b"405")


def test_requests_that_never_end_do_not_hold_up_others(preview):
    port = int(re.search(r":(\d+)/", preview.url)[1])
    with contextlib.ExitStack() as held:
        for _ in range(300):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert httpx.get(f"{preview.url}config", timeout=10).status_code == 200
