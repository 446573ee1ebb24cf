"""The endpoints for scripts, what they refuse, and eight clients at once."""

import csv
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from support.photo_files import photo
from support.preview_server import ROOT

from mobilevit_tf.evaluation.tflite_model import TFLiteModel

EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
CLIENTS, PHOTOS_EACH = 8, 50
UPLOADED = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def client(preview) -> Client:
    return Client(preview.url, verbose=False, ssl_verify=False)


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_models_lists_the_open_files_and_classify_takes_their_keys(client, tiny_tflite):
    first, second = client.predict(api_name="/models")
    assert (first["File"], second["File"]) == ("float.tflite", "int8.tflite")
    assert second["Input"] == "64 x 64 pixels, RGB, uint8"
    answer = client.predict(handle_file(EXAMPLES[0]), second["key"], api_name="/classify")
    expected = TFLiteModel(tiny_tflite / "int8.tflite").classify(EXAMPLES[0].read_bytes()).scores
    assert answer["model"] == second["title"]
    assert answer["confidences"][0]["confidence"] == float(expected.max())


def test_compare_answers_for_every_model_and_says_whether_they_agree(client, tiny_tflite):
    models = [TFLiteModel(tiny_tflite / name) for name in ("float.tflite", "int8.tflite")]
    for path in EXAMPLES:
        comparison = client.predict(handle_file(path), api_name="/compare")
        scores = [model.classify(path.read_bytes()).scores for model in models]
        best = [model.labels[int(score.argmax())] for model, score in zip(models, scores, strict=True)]
        assert [answer["label"] for answer in comparison["answers"]] == best
        assert comparison["agree"] == (best[0] == best[1])
        assert comparison["answers"][0]["largest_difference"] == 0.0
        difference = max(abs(a - b) for a, b in zip(*(score.astype(float) for score in scores), strict=True))
        assert comparison["answers"][1]["largest_difference"] == difference


def test_folder_gives_accuracy_confusion_and_a_csv_for_a_zip_of_class_folders(client, tiny_tflite, tmp_path):
    model = TFLiteModel(tiny_tflite / "float.tflite")
    best = {path: model.labels[int(model.classify(path.read_bytes()).scores.argmax())] for path in EXAMPLES}
    wrong = next(label for label in model.labels if label not in best.values())
    files = {f"set/{label}/{path.name}": path.read_bytes() for path, label in best.items()}
    files |= {
        f"set/{wrong}/wrong.jpg": EXAMPLES[0].read_bytes(),
        "set/elsewhere/no_class.jpg": EXAMPLES[0].read_bytes(),
        f"set/{wrong}/broken.jpg": b"nonsense",
        "set/notes.txt": b"no photo",
        "__MACOSX/set/._x.jpg": b"no photo",
    }
    archive = zip_of(tmp_path / "flowers.zip", files)
    summary, csv_path = client.predict([handle_file(archive)], api_name="/folder")
    assert (summary["photos"], summary["failed"], summary["accuracy"]) == (6, 1, 3 / 4)
    index = summary["labels"].index
    assert summary["confusion"][index(wrong)][index(best[EXAMPLES[0]])] == 1
    assert sum(map(sum, summary["confusion"])) == 4
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(Path(csv_path).read_text()))}
    assert len(rows) == 6
    assert rows["set/elsewhere/no_class.jpg"]["truth"] == ""
    assert rows[f"set/{wrong}/broken.jpg"]["error"].startswith("not a picture")
    assert float(rows[f"set/{wrong}/wrong.jpg"]["score"]) == float(
        model.classify(EXAMPLES[0].read_bytes()).scores.max()
    )


def test_dropped_photos_need_no_zip_and_have_no_accuracy(client):
    summary, _ = client.predict([handle_file(path) for path in EXAMPLES], api_name="/folder")
    assert (summary["photos"], summary["failed"], summary["accuracy"], summary["confusion"]) == (3, 0, None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None, "", "crop"), "no photo yet: choose one first"),
        ((EXAMPLES[0], "nonsense", "crop"), "that model is not open any more"),
        ((EXAMPLES[0], "", "squash"), "protocol 'squash', expected 'crop' or 'stretch'"),
    ],
)
def test_wrong_arguments_get_one_sentence(client, arguments, sentence):
    photo_file, *rest = arguments
    with pytest.raises(AppError) as refusal:
        client.predict(handle_file(photo_file) if photo_file else None, *rest, api_name="/classify")
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"path": "http://192.0.2.1/x.jpg", "meta": UPLOADED}, "a web address is not fetched"),
        ({"path": "http://192.0.2.1/x.jpg", "url": "http://192.0.2.1/x.jpg"}, "only a file that was uploaded"),
        ({"path": "/etc/hostname"}, "only a file that was uploaded"),
        ({"path": "../../../../etc/hostname"}, "only a file that was uploaded"),
        ({"path": "/etc/hostname", "meta": UPLOADED}, "null"),
        ({"path": None, "url": "data:image/png;base64,iVBORw0KGgo="}, "only a file that was uploaded"),
    ],
)
def test_only_uploads_are_read_no_address_and_no_path_of_this_computer(preview, payload, sentence):
    url = f"{preview.url}gradio_api/call/classify"
    event = httpx.post(url, json={"data": [payload, "", "crop"]}).json()["event_id"]
    answer = httpx.get(f"{url}/{event}", timeout=60).text
    assert answer.startswith("event: error")
    assert sentence in answer


@pytest.mark.parametrize(
    "path", ["/etc/hostname", str(ROOT / "demo_app.py"), "demo_app.py", "..%2f..%2fetc%2fhostname"]
)
def test_no_file_of_this_computer_is_served(preview, path):
    assert httpx.get(f"{preview.url}gradio_api/file={path}").status_code in (403, 404)


def test_eight_clients_with_fifty_photos_each_get_four_hundred_right_answers_in_flat_memory(
    preview, tiny_tflite, tmp_path
):
    model = TFLiteModel(tiny_tflite / "float.tflite")
    files = []
    for seed in range(CLIENTS * PHOTOS_EACH):
        files.append(tmp_path / f"{seed}.png")
        files[-1].write_bytes(photo(seed, 60 + seed % 7, 50, format="PNG"))
    expected = [float(model.classify(path.read_bytes()).scores.max()) for path in files]
    assert len(set(expected)) > 300  # a mixed-up answer would show

    clients = [Client(preview.url, verbose=False, ssl_verify=False) for _ in range(CLIENTS)]

    def ask(number: int, mine: list[Path]) -> list[float]:
        answers = [clients[number].predict(handle_file(path), api_name="/classify") for path in mine]
        return [answer["confidences"][0]["confidence"] for answer in answers]

    def ask_all(half: list[Path]) -> list[float]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            parts = list(pool.map(ask, range(CLIENTS), [half[number::CLIENTS] for number in range(CLIENTS)]))
        return [parts[index % CLIENTS][index // CLIENTS] for index in range(len(half))]

    first = ask_all(files[:200])
    halfway = preview.memory_mb()
    second = ask_all(files[200:])
    assert first + second == expected
    assert preview.memory_mb() - halfway < 25
