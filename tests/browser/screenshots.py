"""Takes the pictures of docs/images from a running page.

    .venvs/browser/bin/python tests/browser/screenshots.py http://127.0.0.1:7860/ docs/images

The page must have two models open: the Compare tab needs them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pages import answer, chromium, give_photo, open_page, settle, tab

PHOTO = Path(__file__).parents[2] / "examples" / "dandelion.jpg"


def main() -> None:
    """preview_classify.png, light; preview_compare.png, dark."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    with chromium() as browser:
        page = open_page(browser, url, 1120, 820)
        give_photo(page, PHOTO)
        answer(page)
        settle(page)
        page.screenshot(path=folder / "preview_classify.png")
        page = open_page(browser, url, 1120, 820, "dark")
        tab(page, "Compare")
        give_photo(page, PHOTO, "compare")
        page.wait_for_selector("#compare-result .pv-verdict")
        settle(page)
        page.screenshot(path=folder / "preview_compare.png", full_page=True)


if __name__ == "__main__":
    main()
