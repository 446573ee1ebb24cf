"""demo_app.py as a user starts it: in processes of its own."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from support.preview_server import ROOT, PreviewServer

EXAMPLE = ROOT / "examples" / "dandelion.jpg"


def run(*flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "demo_app.py", *flags], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_runs_without_tensorflow_and_without_any_network_and_leaves_no_uploads(tiny_tflite):
    with PreviewServer(sys.executable, f"--model={tiny_tflite / 'int8.tflite'}", "--threads=2") as server:
        client = Client(server.url, verbose=False, ssl_verify=False)
        assert client.predict(handle_file(EXAMPLE), api_name="/classify")["label"]
        server.stop()
    assert server.url.startswith("http://127.0.0.1:")
    assert server.report["heavy"] == []
    assert server.report["refused"] == []
    assert server.report["uploads"]
    assert not Path(server.report["uploads"]).exists()
    assert "model: Tiny flowers int8 (int8.tflite)" in server.log


def test_share_warns_and_says_when_no_link_can_be_made(tiny_tflite):
    with (
        pytest.raises(AssertionError) as refusal,
        PreviewServer(sys.executable, f"--model={tiny_tflite / 'int8.tflite'}", "--share"),
    ):
        pass
    assert "warning: --share puts the page on the internet" in str(refusal.value)
    assert "error: the public link could not be made" in str(refusal.value)


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--model=nowhere.tflite", "error: no model at nowhere.tflite: make one with `python quantize/export.py`"),
        ("--port=99999", "error: --port=99999, expected a number from 1 to 65535"),
        ("--threads=0", "error: --threads=0, expected a number from 1 to 64"),
        ("--sahre", "demo_app.py: error: unrecognized arguments: --sahre"),
        ("--mod=x", "demo_app.py: error: unrecognized arguments: --mod=x"),
    ],
)
def test_wrong_flags_end_in_one_sentence(flag, sentence):
    result = run(flag)
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1] == sentence
    assert "Traceback" not in result.stderr


def test_files_that_are_no_model_end_in_one_sentence_with_their_path(tiny_tflite, tmp_path):
    good = (tiny_tflite / "int8.tflite").read_bytes()
    flatbuffer = good[: good.index(b"PK\x03\x04")]
    cases = {
        "text.tflite": (b"not a model at all", "is not a TensorFlow Lite model"),
        "empty.tflite": (b"", "is not a TensorFlow Lite model"),
        "foreign.tflite": (flatbuffer, "carries no labels and preprocessing of this project"),
        "truncated.tflite": (good[: len(good) // 2], "carries no labels and preprocessing of this project"),
    }
    for name, (data, sentence) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        result = run(f"--model={path}")
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert result.returncode == 1
        assert len(errors) == 1, result.stderr
        assert errors[0].startswith(f"error: {path} {sentence}")
        assert "Traceback" not in result.stderr


def test_a_taken_port_is_named(tiny_tflite):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run(f"--model={tiny_tflite / 'int8.tflite'}", f"--port={port}")
    assert result.returncode == 1
    assert f"error: port {port} is taken: name another one with --port" in result.stderr
