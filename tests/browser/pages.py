"""What a person does on the page, step by step, for the checks and the screenshots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
SLOW_MS = 60_000  # how long a step may take on a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window and without calls home."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def open_page(browser: Browser, url: str, width: int = 1180, height: int = 860, scheme: str = "light") -> Page:
    """The preview in a window of its own, ready for a photo."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.grant_permissions(["clipboard-read", "clipboard-write", "camera"], origin=url.rstrip("/"))
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    page.goto(url)
    ready(page)
    return page


def ready(page: Page) -> None:
    """Waits until the page has built itself; the network is never idle, Gradio keeps a stream open."""
    page.wait_for_selector("#classify-photo input[type=file]", state="attached")
    page.wait_for_selector("#classify-result .pv-hint")
    settle(page)


def tab(page: Page, name: str) -> None:
    """Opens one of the four tabs."""
    page.get_by_role("tab", name=name).first.click()


def give_photo(page: Page, path: Path, area: str = "classify") -> None:
    """Puts a file into the picture box of a tab, in place of what was there."""
    remove = page.locator(f'#{area}-photo button[aria-label="Remove Image"]')
    if remove.count():
        remove.click()
        page.wait_for_selector(f"#{area}-result .pv-hint")
    if not page.locator(f"#{area}-photo input[type=file]").count():
        page.click(f'#{area}-photo button[aria-label="Upload file"]')
    page.set_input_files(f"#{area}-photo input[type=file]", path)


def answer(page: Page, area: str = "classify") -> dict[str, float]:
    """Waits for an answer; every shown label with its full score."""
    page.wait_for_selector(f"#{area}-result .pv-answer")
    bars = page.locator(f"#{area}-result .pv-bar").all()
    return {bar.get_attribute("data-label"): float(bar.get_attribute("data-score")) for bar in bars}


def complaint(page: Page, area: str = "#classify-result") -> str:
    """Waits for an error box and reads it."""
    page.wait_for_selector(f"{area} .pv-error")
    return page.inner_text(f"{area} .pv-error")


def settle(page: Page) -> None:
    """Lets animations end."""
    page.wait_for_timeout(800)
