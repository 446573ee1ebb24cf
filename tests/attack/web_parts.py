"""The preview as a user starts it, under every request that `web_cases` knows, and under signals."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
from gradio_client import Client, handle_file
from support.commands import ROOT
from support.photo_files import photo
from support.preview_server import PreviewServer

from attack.cases import model as model_cases
from attack.cases import photo as photo_cases
from attack.cases import web as web_cases
from attack.tally import Tally

MODEL = ROOT / "models" / "flowers_xxs_int8.tflite"
EXAMPLE = ROOT / "examples" / "dandelion.jpg"
MODELS_OPENED = 40
MEMORY_MB = 1_200  # of the process after everything
SIGNALS = 8
END_S = 3.0


def web(tally: Tally, seed: int) -> None:
    """Names, paths, payloads, uploads, ZIPs and models; then the page must answer as before."""
    with PreviewServer(sys.executable, f"--model={MODEL}") as server, httpx.Client(timeout=120) as http:
        before = _answer(server)
        _names(tally, server, http)
        _paths(tally, server, http)
        _payloads(tally, server, http)
        _uploads(tally, server, http)
        _zips(tally, server)
        _opened_models(tally, server, seed)
        with tally.case("the same answer afterwards"):
            assert _answer(server) == before
        with tally.case("memory afterwards"):
            assert server.memory_mb() < MEMORY_MB, f"{server.memory_mb():.0f} MB"
        server.stop()
        with tally.case("no address was asked for, nothing is left"):
            assert server.report["refused"] == [] and not Path(server.report["uploads"]).exists()


def _answer(server: PreviewServer) -> dict:
    answer = Client(server.url, verbose=False, ssl_verify=False).predict(handle_file(EXAMPLE), api_name="/classify")
    return {"label": answer["label"], "confidences": answer["confidences"]}


def _names(tally: Tally, server: PreviewServer, http: httpx.Client) -> None:
    port = re.search(r":(\d+)/", server.url)[1]
    routes = (("GET", ""), ("POST", "gradio_api/upload"), ("OPTIONS", "gradio_api/queue/join"), ("GET", "config"))
    foreign = [{"Host": host} for host in web_cases.FOREIGN_HOSTS]
    foreign += [{"Origin": origin} for origin in web_cases.FOREIGN_ORIGINS]
    for headers, (method, path) in itertools.product(foreign, routes):
        headers = {name: value.format(port=port) for name, value in headers.items()}
        with tally.case(f"{method} {path} {headers}"):
            answer = http.request(method, server.url + path, headers=headers)
            assert answer.status_code in (400, 403), answer.status_code


def _paths(tally: Tally, server: PreviewServer, http: httpx.Client) -> None:
    for path in web_cases.paths():
        with tally.case(path):
            try:
                answer = http.get(server.url + path, timeout=10)
            except httpx.RemoteProtocolError:  # a stream that ends, for an event that nobody has
                continue
            assert answer.status_code < 500, answer.status_code
            assert not any(secret in answer.text for secret in web_cases.SECRETS)


def _payloads(tally: Tally, server: PreviewServer, http: httpx.Client) -> None:
    for body, name in itertools.product(web_cases.payloads(), ("classify", "compare", "folder")):
        with tally.case(f"{name} {str(body)[:80]}"):
            content = json.dumps(body).encode()
            headers = {"Content-Type": "application/json"}
            answer = http.post(f"{server.url}gradio_api/call/{name}", content=content, headers=headers)
            assert answer.status_code < 500, answer.status_code
            if answer.status_code == 200:
                told = http.get(f"{server.url}gradio_api/call/{name}/{answer.json()['event_id']}").text
                assert not any(secret in told for secret in web_cases.SECRETS)
                assert "Traceback" not in told


def _uploads(tally: Tally, server: PreviewServer, http: httpx.Client) -> None:
    for name in web_cases.UPLOAD_NAMES:
        with tally.case(f"upload {name[:40]!r}"):
            files = {"files": (name.encode(errors="replace").decode(), photo(1, format="PNG"), "image/png")}
            answer = http.post(f"{server.url}gradio_api/upload", files=files)
            assert answer.status_code < 500, answer.status_code
            for path in answer.json() if answer.status_code == 200 else ():
                parts = Path(path).parts
                assert ".." not in parts and parts[:2] == ("/", "tmp") and "mobilevit_preview_" in parts[2], path
    assert not Path("/tmp/owned.png").exists()


def _zips(tally: Tally, server: PreviewServer) -> None:
    zeros, good = bytes(2**27), EXAMPLE.read_bytes()
    kinds = {
        "bzip2 bomb": (zipfile.ZIP_BZIP2, {"a.png": zeros}), "lzma bomb": (zipfile.ZIP_LZMA, {"a.png": zeros}),
        "deflate bomb": (zipfile.ZIP_DEFLATED, {"a.png": zeros}),
        "names": (zipfile.ZIP_STORED, {name.replace("\0", "") + ".jpg": good for name in web_cases.UPLOAD_NAMES}),
        "bombs": (zipfile.ZIP_DEFLATED, {f"{n}.png": data for n, (_, data) in enumerate(photo_cases.bombs())}),
    }  # fmt: skip
    client = Client(server.url, verbose=False, ssl_verify=False)
    with tempfile.TemporaryDirectory() as folder:
        for name, (method, entries) in kinds.items():
            path = Path(folder) / "photos.zip"
            path.write_bytes(photo_cases.zip_of(method, entries))
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("cat/good.jpg", good)
            with tally.case(f"ZIP, {name}", len(entries)):
                summary, _ = client.predict([handle_file(path)], api_name="/folder")
                assert summary["photos"] - summary["failed"] >= 1, summary
                assert name == "names" or summary["failed"] > 0


def _opened_models(tally: Tally, server: PreviewServer, seed: int) -> None:
    """Through the page's own button, a choice of all hostile files: the list of models stays as it was."""
    client = Client(server.url, verbose=False, ssl_verify=False)
    event = next(one for one in client.config["dependencies"] if one["targets"][0][1] == "upload")
    cases = list(model_cases.hostile(MODEL.read_bytes()))
    with httpx.Client(base_url=f"{server.url}gradio_api/", timeout=120) as http:
        for number, (name, data) in enumerate(random.Random(seed).sample(cases, MODELS_OPENED)):
            with tally.case(f"open {name}"):
                [path] = http.post("upload", files={"files": ("hostile.tflite", data)}).json()
                file = {"path": path, "meta": {"_type": "gradio.FileData"}}
                session = f"open{number}"
                joined = {"fn_index": event["id"], "session_hash": session, "data": [file, []]}
                http.post("queue/join", json=joined).raise_for_status()
                with http.stream("GET", f"queue/data?session_hash={session}") as stream:
                    done = next(line for line in stream.iter_lines() if "process_completed" in line)
                told = json.loads(done.removeprefix("data: "))
                assert told["success"] and "the page goes on with the model it had" in done, done[:300]
                assert len(client.predict(api_name="/models")) == 1


def signals(tally: Tally, seed: int) -> None:
    """SIGTERM and Ctrl-C while it starts, waits, and works on a folder: it ends in seconds and leaves nothing."""
    draw = random.Random(seed)
    for number in range(SIGNALS):
        times, kind = draw.randint(1, 3), draw.choice([signal.SIGTERM, signal.SIGINT])
        busy: Callable[[PreviewServer], object] = _idle if number % 2 else _busy
        with tally.case(f"{times} x {kind.name} {busy.__name__}"):
            with PreviewServer(sys.executable, f"--model={MODEL}") as server:
                busy(server)
                time.sleep(draw.uniform(0, 2))
                start = time.monotonic()
                for _ in range(times):
                    server.process.send_signal(kind)
                server.process.wait(timeout=60)
                seconds = time.monotonic() - start
                server.stop()
            assert seconds < END_S, f"{seconds:.1f} s"
            assert server.process.returncode == 0, server.process.returncode
            assert not Path(server.report["uploads"]).exists()


def _idle(server: PreviewServer) -> None:
    httpx.get(server.url)


def _busy(server: PreviewServer) -> None:
    client = Client(server.url, verbose=False, ssl_verify=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.zip"
        entries = {f"{n}.jpg": EXAMPLE.read_bytes() for n in range(4_000)}
        path.write_bytes(photo_cases.zip_of(zipfile.ZIP_STORED, entries))
        job = client.submit([handle_file(path)], api_name="/folder")
        until = time.monotonic() + 60
        with contextlib.suppress(Exception):
            while not (job.status().progress_data or ()) and time.monotonic() < until:
                time.sleep(0.1)
        assert not job.done()
