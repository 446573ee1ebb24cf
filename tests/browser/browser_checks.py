"""The page in a real browser: what a person clicks, sees and gets. Run by `make test-browser`."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import answer, chromium, complaint, give_photo, open_page, ready, settle, tab
from playwright.sync_api import Browser, Page
from support.preview_server import ROOT

EXAMPLES = ROOT / "examples"
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "runs" / "preview"))
READ_PIXELS = """async () => {
  const picture = document.querySelector('#classify-seen img');
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
  const context = canvas.getContext('2d');
  context.drawImage(picture, 0, 0);
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from(rgba).filter((_, index) => index % 4 != 3);
}"""
COPY_PHOTO = """async () => {
  const canvas = new OffscreenCanvas(30, 20);
  const context = canvas.getContext('2d');
  context.fillStyle = 'orange';
  context.fillRect(0, 0, 30, 20);
  const blob = await canvas.convertToBlob({type: 'image/png'});
  await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, preview) -> Iterator[Page]:
    """A fresh window; afterwards: no request left this computer and the page's scripts raised nothing."""
    requests, errors = [], []
    page = open_page(browser, preview.url)
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.reload()
    ready(page)
    yield page
    page.context.close()
    assert {url for url in requests if not url.startswith((preview.url, "data:", "blob:"))} == set()
    assert errors == []


def direct(model: Path, photo: Path, protocol: str = "crop") -> tuple[dict[str, float], list[int]]:
    command = [os.environ["PROJECT_PYTHON"], str(ROOT / "tests/browser/direct.py"), str(model), str(photo), protocol]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    said = json.loads(printed)
    return said["scores"], list(bytes.fromhex(said["pixels"]))


def bits(scores: dict[str, float]) -> dict[str, bytes]:
    return {label: struct.pack("<f", score) for label, score in scores.items()}


def test_an_uploaded_photo_gets_the_interpreters_scores_and_pixels_bit_for_bit(page, tiny_tflite):
    photo = EXAMPLES / "dahlia.jpg"
    give_photo(page, photo)
    for protocol, choice in (("crop", "resize and crop"), ("stretch", "stretched")):
        page.get_by_label(choice).first.check()
        page.wait_for_selector(f"#classify-seen figcaption:has-text('{choice}')")
        scores, pixels = direct(tiny_tflite / "float.tflite", photo, protocol)
        assert bits(answer(page)) == bits(scores)
        assert page.evaluate(READ_PIXELS) == pixels
    assert page.inner_text("#classify-result .pv-top") == max(scores, key=scores.get)
    settle(page)
    page.screenshot(path=SCREENSHOTS / "classify.png")


def test_where_the_model_looks_is_shown_beside_what_it_saw_until_it_is_switched_off(page):
    give_photo(page, EXAMPLES / "oleander.jpg")
    label = max(scores := answer(page), key=scores.get)
    page.locator("#classify-look input").check()
    caption = f"Where it looks: orange places matter most to the answer {label}"
    page.wait_for_selector(f"#classify-seen figcaption:has-text('{caption}')")
    boxes = [picture.bounding_box() for picture in page.locator("#classify-seen img").all()]
    assert len(boxes) == 2 and boxes[0]["width"] == boxes[1]["width"] > 150
    assert answer(page) == scores
    page.locator("#classify-look input").uncheck()
    page.wait_for_selector("#classify-seen :text('Where it looks')", state="detached")
    assert page.locator("#classify-seen img").count() == 1


def test_an_example_is_classified_by_keyboard_alone(page, tiny_tflite):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.gallery') != null"):
            break
    page.keyboard.press("Enter")
    scores, _ = direct(tiny_tflite / "float.tflite", EXAMPLES / "dahlia.jpg")  # the first of the examples
    assert bits(answer(page)) == bits(scores)


def test_clipboard_and_webcam_give_a_photo(page):
    page.evaluate(COPY_PHOTO)
    page.click("#classify-photo button[aria-label='Paste from clipboard']")
    assert len(answer(page)) == 5
    page.click("#classify-photo button[aria-label='Remove Image']")
    page.wait_for_selector("#classify-result .pv-hint")
    page.click("#classify-photo button[aria-label='Capture from camera']")
    page.click("#classify-photo :text('Click to Access Webcam')")
    page.wait_for_function("document.querySelector('#classify-photo video').videoWidth > 0")
    page.click("#classify-photo button[aria-label='capture photo']")
    assert len(answer(page)) == 5


def test_files_that_are_no_pictures_get_a_sentence_and_the_next_photo_its_answer(page, tmp_path):
    for name, data, sentence in (
        ("words.jpg", b"just some words", "words.jpg: not a picture"),
        ("empty.jpg", b"", "empty.jpg: the file is empty."),
        ("cut.jpg", (EXAMPLES / "oleander.jpg").read_bytes()[:9_000], "cut.jpg: truncated or damaged."),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing.svg: not a picture"),
    ):
        (tmp_path / name).write_bytes(data)
        give_photo(page, tmp_path / name)
        assert sentence in complaint(page)
    give_photo(page, EXAMPLES / "dandelion.jpg")
    assert len(answer(page)) == 5


def test_models_are_compared_and_the_different_answer_is_marked(page, tiny_tflite):
    names = ("float.tflite", "int8.tflite", "other.tflite")  # the last one's labels are moved: it always differs
    choose_model(page, tiny_tflite / "other.tflite")
    page.wait_for_selector("#model-message .pv-hint")
    tab(page, "Compare")
    photo = EXAMPLES / "dahlia.jpg"
    give_photo(page, photo, "compare")
    page.wait_for_selector("#compare-result .pv-verdict[data-agree=false]")
    cards = page.locator("#compare-result .pv-card").all()
    expected = [direct(tiny_tflite / name, photo)[0] for name in names]
    best = [max(scores, key=scores.get) for scores in expected]
    assert [bool(card.locator(".pv-mark").count()) for card in cards] == [label != best[0] for label in best]
    assert best[2] != best[0]
    for card, scores in zip(cards, expected, strict=True):
        shown = {b.get_attribute("data-label"): float(b.get_attribute("data-score")) for b in card.locator("li").all()}
        assert bits(shown) == bits(scores)
    assert "unsure" in cards[2].inner_text()
    settle(page)
    page.screenshot(path=SCREENSHOTS / "compare.png")
    for box in page.locator("#compare-models input").all()[1:]:
        box.uncheck()
    page.wait_for_selector("#compare-result :text('Choose two models or more')")


def test_a_zip_of_class_folders_gives_a_table_a_matrix_and_a_csv(page, tiny_tflite, tmp_path):
    names = ("dahlia", "dandelion", "oleander")
    scores = [direct(tiny_tflite / "float.tflite", EXAMPLES / f"{name}.jpg")[0] for name in names]
    best = [max(one, key=one.get) for one in scores]
    wrong = next(label for label in scores[0] if label not in best)
    with zipfile.ZipFile(tmp_path / "flowers.zip", "w") as archive:
        for label, name in zip((*best[:2], wrong), names, strict=True):
            archive.write(EXAMPLES / f"{name}.jpg", f"flowers/{label}/{name}.jpg")
        archive.writestr("../../escape.jpg", b"nonsense")
    tab(page, "Folder")
    page.click("#folder-run")
    assert "No photos yet" in complaint(page, "#folder-summary")
    page.set_input_files("#folder-files input[type=file]", tmp_path / "flowers.zip")
    page.wait_for_selector("#folder-files :text('flowers')")
    page.click("#folder-run")
    page.wait_for_selector("#folder-summary .pv-matrix")
    assert "accuracy (2 of 3)" in page.inner_text("#folder-summary")
    assert page.inner_text(f".pv-matrix [data-truth={wrong}][data-answer={best[2]}]") == "1"
    assert f"flowers/{wrong}/oleander.jpg" in page.inner_text("#folder-table")
    with page.expect_download() as download:
        page.click("#folder-csv")
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "name,truth,label,score,unsure,error"
    assert len(lines) == 5
    assert lines[4].startswith('escape.jpg,,,0.0,False,"not a picture')
    settle(page)
    page.screenshot(path=SCREENSHOTS / "folder.png", full_page=True)


def test_a_damaged_model_is_refused_in_one_sentence_and_a_good_one_joins(page, tiny_tflite, tmp_path):
    give_photo(page, EXAMPLES / "dandelion.jpg")
    before = answer(page)
    (tmp_path / "cut.tflite").write_bytes((tiny_tflite / "int8.tflite").read_bytes()[:9_000])
    choose_model(page, tmp_path / "cut.tflite")
    assert complaint(page, "#model-message").startswith("cut.tflite carries no labels and preprocessing")
    assert answer(page) == before
    choose_model(page, tiny_tflite / "other.tflite")
    page.wait_for_selector("#model-message :text('Opened Tiny flowers float32 other')")
    scores, _ = direct(tiny_tflite / "other.tflite", EXAMPLES / "dandelion.jpg")
    page.wait_for_selector(f"#classify-result [data-score='{max(scores.values())!r}']")
    tab(page, "Model")
    page.wait_for_selector("#model-facts :text('other.tflite')")
    with page.expect_download() as download:
        page.click("#model-download")
    assert Path(download.value.path()).read_bytes() == (tiny_tflite / "other.tflite").read_bytes()
    assert "adb push other.tflite" in page.inner_text("#model-commands")


def choose_model(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("#model-open")
    chooser.value.set_files(path)


def test_the_switch_is_gone_where_both_views_are_the_same(page, tiny_tflite):
    choose_model(page, tiny_tflite / "uncropped.tflite")
    page.wait_for_selector("#model-message .pv-hint")
    page.evaluate(COPY_PHOTO.replace("30, 20", "24, 24"))
    page.click("#classify-photo button[aria-label='Paste from clipboard']")
    answer(page)
    page.locator("text=Phone's view: stretched >> visible=true").wait_for(state="detached")
    give_photo(page, EXAMPLES / "dandelion.jpg")
    page.wait_for_selector("text=Phone's view: stretched >> visible=true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_sized_window_shows_everything_without_scrolling_sideways(browser, preview, scheme):
    page = open_page(browser, preview.url, 360, 740, scheme)
    give_photo(page, EXAMPLES / "dandelion.jpg")
    answer(page)
    for name in ("Classify", "Compare", "Folder", "Model"):
        tab(page, name)
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.screenshot(path=SCREENSHOTS / f"phone_{scheme}_{name.lower()}.png", full_page=True)
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    page.click("#pv-theme")
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme != "dark")
    page.context.close()
