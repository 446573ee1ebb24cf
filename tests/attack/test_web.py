"""The running preview under attack: foreign names, paths, payloads, and what one window may know of another."""

import hashlib
import json
import re
import signal
import socket
import sys
import time
import zipfile
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from support.photo_files import photo
from support.preview_server import ROOT, PreviewServer

from attack.cases import web as web_cases
from attack.cases.photo import zip_of
from attack.cases.web import fetched
from mobilevit_tf.errors import BadImage
from preview import folders, settings

EXAMPLE = ROOT / "examples" / "dandelion.jpg"


def port_of(server: PreviewServer) -> str:
    return re.search(r":(\d+)/", server.url)[1]


def upload(server: PreviewServer, name: str, data: bytes, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}gradio_api/upload", files={"files": (name, data)}, headers=headers)


@pytest.mark.parametrize("host", web_cases.FOREIGN_HOSTS)
def test_a_foreign_host_is_refused_on_every_method(preview, host):
    for method, path in (
        ("GET", ""),
        ("POST", "gradio_api/upload"),
        ("OPTIONS", "gradio_api/upload"),
        ("GET", "config"),
    ):
        headers = {"Host": host.format(port=port_of(preview)), "Origin": f"http://{host.format(port=port_of(preview))}"}
        headers["Access-Control-Request-Method"] = "POST"
        answer = httpx.request(method, preview.url + path, headers=headers)
        assert answer.status_code in (400, 403)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", web_cases.LOCAL_NAMES)
def test_this_computers_names_are_answered(preview, name):
    port = port_of(preview)
    headers = {"Host": f"{name}:{port}", "Origin": f"http://localhost:{port}"}
    assert httpx.get(preview.url, headers=headers).status_code == 200
    assert upload(preview, "a.png", b"x", **headers).status_code == 200


@pytest.mark.parametrize("origin", web_cases.FOREIGN_ORIGINS)
def test_a_foreign_origin_can_send_nothing(preview, origin):
    headers = {"Origin": origin.format(port=port_of(preview))}
    assert upload(preview, "a.png", b"x", **headers).status_code == 403
    call = f"{preview.url}gradio_api/call/models"
    assert httpx.post(call, json={"data": []}, headers=headers).status_code == 403
    assert "access-control-allow-origin" not in httpx.options(call, headers=headers).headers


def test_two_hosts_or_none_are_refused(preview):
    for lines in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", int(port_of(preview)))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
            assert connection.recv(100).split(b" ")[1] in (b"400", b"403")


def test_what_one_window_uploads_no_other_can_fetch_by_guessing(preview):
    data = photo(12345)
    [mine] = upload(preview, "secret.jpg", data).json()
    served = httpx.get(f"{preview.url}gradio_api/file={mine}")
    assert served.content == data  # its own window can
    folder, name = Path(mine).parent, Path(mine).name
    digest = hashlib.sha256(data).hexdigest()
    assert folder.name not in (digest, hashlib.sha1(data).hexdigest(), hashlib.md5(data).hexdigest())
    root = folder.parent
    guesses = [
        root, f"{root}/", folder, f"{folder}/", f"{folder}/.", f"{root}/{digest}/{name}", f"{root}/results",
        f"{root}/models", f"{folder}/*", f"{root}/*/{name}", f"{folder}/other.jpg", f"{root}/{'0' * 64}/{name}",
        name, "",
    ]  # fmt: skip
    for guess in guesses:
        answer = httpx.get(f"{preview.url}gradio_api/file={guess}")
        assert answer.status_code in (403, 404), guess
        assert data not in answer.content
    for listing in ("config", "gradio_api/info", "gradio_api/queue/status", "gradio_api/startup-events"):
        assert folder.name not in httpx.get(preview.url + listing).text


def test_answers_go_to_the_session_that_asked(preview):
    """Another session, an unknown one or none gets nothing of an answer that waits."""
    url = f"{preview.url}gradio_api/"
    [path] = upload(preview, "mine.jpg", EXAMPLE.read_bytes()).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event = httpx.post(f"{url}call/classify", json={"data": [file, "", "crop"]}).json()["event_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", event)
    for other in ("0" * 32, event[:-1], event[::-1], "*", ""):
        assert "confidences" not in fetched(f"{url}call/classify/{other}")
    for session in ("x", "", "*", event[::-1]):
        assert "confidences" not in fetched(f"{url}queue/data?session_hash={session}")
    assert "confidences" in httpx.get(f"{url}call/classify/{event}", timeout=60).text
    assert "confidences" not in fetched(f"{url}call/classify/{event}")  # once, then gone


def test_bzip2_and_lzma_entries_are_refused_without_unpacking(tmp_path):
    zeros = bytes(100_000_000)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / f"{method}.zip"
        path.write_bytes(zip_of(method, {"cat/bomb.png": zeros}))
        assert path.stat().st_size < 20_000
        with (
            folders.collect([path]) as [entry],
            pytest.raises(folders.BadImage, match="packed in a way that is not read"),
        ):
            entry.read()


def test_a_deflated_entry_ends_at_the_limit_whatever_its_header_claims(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "MAX_PHOTO_BYTES", 100_000)
    data = bytearray(zip_of(zipfile.ZIP_DEFLATED, {"bomb.png": bytes(10_000_000)}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(data)
    with folders.collect([tmp_path / "x.zip"]) as [entry], pytest.raises(BadImage):
        entry.read()


def test_an_open_models_download_outlives_the_deletion_of_uploads(tiny_tflite, tmp_path):
    """The page as it is, but uploads are deleted after two seconds instead of six hours."""
    script = tmp_path / "soon.py"
    script.write_text("import sys\nsys.path.insert(0, '')\nimport demo_app\n"
                      "from mobilevit_tf.errors import run_cli\nfrom preview import settings\n"
                      "settings.DELETE_EVERY_S, settings.KEEP_UPLOADS_S = 1, 2\nrun_cli(demo_app.main)\n")  # fmt: skip
    flags = f"--model={tiny_tflite / 'int8.tflite'}"
    with PreviewServer(sys.executable, flags, script=str(script)) as server:
        [path] = upload(server, "gone.png", photo(1, format="PNG")).json()
        client = Client(server.url, verbose=False, ssl_verify=False)
        dependency = next(
            d for d in client.config["dependencies"] if d["targets"][0][1] == "load" and len(d["outputs"]) == 3
        )
        session = {"fn_index": dependency["id"], "session_hash": "abc", "data": [None]}
        httpx.post(f"{server.url}gradio_api/queue/join", json=session)
        with httpx.stream("GET", f"{server.url}gradio_api/queue/data?session_hash=abc", timeout=20) as stream:
            done = next(line for line in stream.iter_lines() if "process_completed" in line)
        link = json.loads(done.removeprefix("data: "))["output"]["data"][1]["value"]["url"]
        time.sleep(5)
        assert httpx.get(f"{server.url}gradio_api/file={path}").status_code in (403, 404)
        assert httpx.get(link).content == (tiny_tflite / "int8.tflite").read_bytes()


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGTERM, 3), (signal.SIGINT, 1)])
def test_a_signal_during_a_folder_ends_it_in_seconds_and_leaves_nothing(tiny_tflite, tmp_path, number, times):
    archive = tmp_path / "many.zip"
    archive.write_bytes(zip_of(zipfile.ZIP_STORED, {f"{n}.jpg": photo(n, 1000, 800) for n in range(4)}))
    with zipfile.ZipFile(archive, "a") as more:
        data = EXAMPLE.read_bytes()
        for index in range(4_000):
            more.writestr(f"photo_{index}.jpg", data)
    with PreviewServer(sys.executable, f"--model={tiny_tflite / 'int8.tflite'}") as server:
        client = Client(server.url, verbose=False, ssl_verify=False)
        job = client.submit([handle_file(archive)], api_name="/folder")
        until = time.monotonic() + 60
        while not (job.status().progress_data or ()) and time.monotonic() < until:
            time.sleep(0.1)
        assert not job.done()
        start = time.monotonic()
        for _ in range(times):
            server.process.send_signal(number)
            time.sleep(0.05)
        server.process.wait(timeout=30)
        seconds = time.monotonic() - start
        server.stop()
    assert seconds < 3
    assert server.process.returncode == 0
    assert server.report["uploads"] and not Path(server.report["uploads"]).exists()
