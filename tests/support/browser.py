"""A real browser, to see a page as a person does. Debian: apt-get install chromium chromium-driver."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PHONE = 360  # px

# what is wider than the window, unless it stands in something that scrolls by itself
_OVERFLOWING = """
return [...document.querySelectorAll('body *')]
  .filter(one => !one.closest('.scroll') && !one.closest('svg') && one.getClientRects().length)
  .filter(one => one.getBoundingClientRect().right > window.innerWidth + 0.5 || one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).display != 'inline')
  .map(one => one.outerHTML.slice(0, 120));
"""

# text whose contrast is below what WCAG AA asks of normal text
_FAINT = """
const parse = said => said.match(/[\\d.]+/g).map(Number);
const light = rgb => { const [r, g, b] = rgb.slice(0, 3).map(one => {
  one /= 255; return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = one => { for (; one; one = one.parentElement) {
  const found = parse(getComputedStyle(one).backgroundColor);
  if (found.length < 4 || found[3] == 1) return found; } return [255, 255, 255]; };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim(), one = walker.currentNode.parentElement;
  if (!text || one.closest('svg') || !one.getClientRects().length) continue;
  const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(text.slice(0, 60)); }
return faint;
"""


class Browser:
    """Opens pages. `driver` is selenium's."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1000, dark: bool = False, media: str = "screen") -> None:
        """A page from disk, in a window of this width, as on a phone where it is narrow."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        self.driver.get_log("performance")
        self.driver.get(page.as_uri())

    @property
    def text(self) -> str:
        """What a person can read."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script)

    def overflowing(self) -> list[str]:
        """What sticks out of the window, as HTML; the whole page counts."""
        wide = self.run("return document.documentElement.scrollWidth > window.innerWidth ? ['the page'] : []")
        return list(wide) + list(self.run(_OVERFLOWING))

    def faint(self) -> list[str]:
        """Text that is hard to read for its colour."""
        return list(self.run(_FAINT))

    def asked_for(self) -> list[str]:
        """The addresses that were loaded since `open`."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Chromium without a window. Where it is not installed the test is skipped; in CI it fails."""
    if CHROMIUM is None or DRIVER is None:
        missing = "Chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)"
        pytest.fail(missing) if os.environ.get("CI") and not os.environ.get("NO_BROWSER") else pytest.skip(missing)
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = CHROMIUM
    options.unhandled_prompt_behavior = "ignore"
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={folder}")
    driver = Chrome(options, ChromeService(DRIVER))
    try:
        driver.set_page_load_timeout(60)
        yield Browser(driver)
    finally:
        driver.quit()
