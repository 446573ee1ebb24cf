"""Takes the pictures of docs/images from a running page.

    .venvs/browser/bin/python tests/browser/screenshots.py http://127.0.0.1:7860/ docs/images

The page must have two models open: the Compare tab needs them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pages import answer, chromium, give_photo, open_page, settle, tab

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTO = EXAMPLES / "dandelion.jpg"


def main() -> None:
    """preview_classify.png and preview_where.png, light; preview_compare.png, dark."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    with chromium() as browser:
        page = open_page(browser, url, 1120, 820)
        give_photo(page, PHOTO)
        answer(page)
        settle(page)
        page.screenshot(path=folder / "preview_classify.png")
        give_photo(page, EXAMPLES / "oleander.jpg")
        answer(page)
        page.locator("#classify-look input").check()
        page.wait_for_selector("#classify-seen figcaption:has-text('Where it looks')")
        settle(page)
        page.locator("#classify-seen").screenshot(path=folder / "preview_where.png")
        page = open_page(browser, url, 1120, 820, "dark")
        tab(page, "Compare")
        give_photo(page, PHOTO, "compare")
        page.wait_for_selector("#compare-result .pv-verdict")
        settle(page)
        page.screenshot(path=folder / "preview_compare.png", full_page=True)


if __name__ == "__main__":
    main()
