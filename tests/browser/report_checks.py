"""The reports of a training run and of an export in a real browser without a network. Run by `make test-browser`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import SLOW_MS, chromium
from playwright.sync_api import Browser, Page
from support.commands import TINY_RUN
from support.preview_server import ROOT

CURVES = """() => [...document.querySelectorAll('section:first-of-type .plots figure')].map(figure => ({
  title: figure.querySelector('h3').innerText,
  lines: [...figure.querySelectorAll('svg path')].filter(path => {
    const style = getComputedStyle(path), box = path.getBoundingClientRect();
    return ['rgb(59, 130, 246)', 'rgb(249, 115, 22)'].includes(style.stroke) && style.fill === 'none' && box.width > 50;
  }).length,
}))"""
PICTURES = "() => [...document.images].map(image => [image.complete, image.naturalWidth, image.clientWidth])"


def run_script(*command: str) -> None:
    done = subprocess.run([os.environ["PROJECT_PYTHON"], *command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With `run`, a real run that has hardly begun."""
    folder = tmp_path_factory.mktemp("run")
    run_script("train_main.py", *TINY_RUN, "--learning_rate=2e-3", f"--model_dir={folder / 'run'}")
    return folder


@pytest.fixture(scope="module")
def report(folder) -> Path:
    """Moved away from its directory: the page must need nothing beside it."""
    return (folder / "run" / "report.html").rename(folder / "alone.html")


@pytest.fixture(scope="module")
def export(folder, trained_run) -> tuple[Path, dict]:
    """(the page of an int8 file, moved away from it, and what its JSON says).

    Fine-tuned at such a rate the model forgets everything: many answers change.
    """
    output = folder / "made" / "model.tflite"
    run_script("quantize/export.py", f"--run={trained_run}", f"--output={output}", "--epochs=1", "--learning_rate=1",
               "--calibration_images=32")  # fmt: skip
    found = json.loads(output.with_suffix(".report.json").read_text())
    return output.with_suffix(".report.html").rename(folder / "export.html"), found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def open_offline(browser: Browser, report: Path, width: int = 1180, scheme: str = "light") -> tuple[Page, list, list]:
    """(the page, everything that it asked for, everything that the browser complained about)."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page, asked, complaints = context.new_page(), [], []
    page.set_default_timeout(SLOW_MS)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    return page, asked, complaints


def test_the_report_is_whole_without_a_network_and_without_the_run_beside_it(browser, report):
    page, asked, complaints = open_offline(browser, report)
    assert page.evaluate(CURVES) == [
        {"title": "Loss", "lines": 2},
        {"title": "Validation accuracy (top-1)", "lines": 1},
        {"title": "Learning rate", "lines": 1},
    ]
    pictures = page.evaluate(PICTURES)
    assert len(pictures) == 24 + 12  # the surest mistakes, and where the model looked in the first of them
    assert all(complete and natural > 0 and shown > 50 for complete, natural, shown in pictures)
    assert page.locator(".matrix svg image").bounding_box()["width"] > 100
    assert len(page.locator("section:has(h2:text-is('Classes')) tbody tr").all()) == 10
    assert "train_main.py --data=digits" in page.inner_text("pre")
    page.click("summary")
    assert page.locator("details tbody tr").first.is_visible()
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert complaints == []
    page.context.close()


def test_the_page_of_an_export_is_whole_without_a_network_and_without_the_file_beside_it(browser, export):
    path, found = export
    page, asked, complaints = open_offline(browser, path)
    pictures = page.evaluate(PICTURES)
    assert len(found["changed"]) > 24 and len(pictures) == 24
    assert all(complete and natural > 0 and shown > 50 for complete, natural, shown in pictures)
    assert all(image.get_attribute("alt") for image in page.locator("img").all())
    curves = page.locator(".plots svg[role=img]").all()
    assert len(curves) == 2 and all(curve.bounding_box()["width"] > 300 for curve in curves)
    outside, count = len(found["not_delegated"]), sum(found["operators"].values())
    inside, left = (page.locator(f".share .{name}").bounding_box()["width"] for name in ("inside", "outside"))
    assert outside > 0 and abs(left / (inside + left) - outside / count) < 0.01
    assert page.locator(".share").get_attribute("aria-label").endswith(f", {outside} outside")
    page.click("summary:text-is('All operators')")
    assert page.locator("details[open] tbody tr").first.is_visible()
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("made_by", ["training", "export"])
def test_a_report_fits_a_phone_and_its_text_stands_out_in_both_themes(browser, request, made_by, scheme):
    path = request.getfixturevalue("report") if made_by == "training" else request.getfixturevalue("export")[0]
    page, _, complaints = open_offline(browser, path, width=360, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ink, paper = page.evaluate(
        "() => [document.querySelector('.plots svg text'), document.body].map((element, index) =>"
        " getComputedStyle(element)[index ? 'backgroundColor' : 'fill'].match(/[0-9]+/g).map(Number))"
    )
    dark, light = sorted((sum(ink), sum(paper)))
    assert light - dark > 450 and (sum(paper) < sum(ink)) == (scheme == "dark")
    assert complaints == []
    page.context.close()
