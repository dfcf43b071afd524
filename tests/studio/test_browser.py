"""The web app in a real browser: Debian's Chromium without a window, driven by playwright.

`STEADYGAN_SHOTS=DIR` keeps a picture of each page, to be looked at.
"""

import os
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadygan.records import read_history
from tests.reliability import web

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)  # fmt: skip
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]
SHOTS = os.environ.get("STEADYGAN_SHOTS")


@pytest.fixture
def pictures(tmp_path):
    """Pictures to drop: discs of two colours on white, with names of any letters."""
    home, random = tmp_path / "my pictures", np.random.RandomState(0)
    home.mkdir()
    rows, columns = np.mgrid[:32, :32]
    for index in range(120):
        x, y, radius = random.uniform(10, 22), random.uniform(10, 22), random.uniform(5, 10)
        image = np.full((32, 32, 3), 255, np.uint8)
        image[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = ((220, 60, 40), (40, 90, 200))[
            index % 2
        ]
        Image.fromarray(image).save(home / f"图 {index}.png")
    return sorted(home.iterdir())


@pytest.fixture
def page(tmp_path):
    """The app over an empty folder, opened; errors of its own scripts fail the test."""
    root, errors = tmp_path / "runs", []
    root.mkdir()
    with web.serving(root) as served, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(60_000)
        page.goto(served.url)
        page.root = root
        yield page
        browser.close()
    assert errors == []


def shot(page, name):
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def choose(page, label, option):
    """Choose an option of the dropdown with this label on the page that is shown."""
    page.get_by_label(label, exact=True).locator("visible=true").first.click()
    page.get_by_role("option", name=option).first.click()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).locator("visible=true").first.click()


def until(holds, seconds=90):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


def test_a_whole_round(page, pictures, tmp_path):
    """Drop pictures, look at them, train, watch, stop, explore, and take the generator along."""
    page.locator("input[type=file]").first.set_input_files(pictures)
    until(lambda: page.get_by_label("Images", exact=True).first.input_value() == "pictures")
    press(page, "Look at the images")
    page.get_by_text("108 images of").first.wait_for()
    choose(page, "Method", "dcgan: when")
    press(page, "How far does that go?")
    page.get_by_text("5m is").first.wait_for()
    shot(page, "train")
    press(page, "Start")
    run = page.root / "dcgan-pictures-s0"
    until(lambda: (run / "history.jsonl").exists() and len(list(read_history(run))) > 3)
    until(lambda: page.get_by_text("▶ running").locator("visible=true").count())

    page.get_by_role("tab", name="Watch").click()
    page.get_by_text("running · dcgan").or_(page.get_by_text("· dcgan · step")).first.wait_for()
    page.locator(".js-plotly-plot .trace").first.wait_for()
    until(lambda: len(list(read_history(run))) > 12)
    shot(page, "watch")
    page.get_by_role("tab", name="Train").click()
    press(page, "Stop the running one (its state is saved)")
    until(lambda: '"state": "stopped"' in (run / "run.json").read_text())

    page.get_by_role("tab", name="Explore").click()
    until(lambda: page.get_by_label("Run", exact=True).locator("visible=true").first.input_value())
    press(page, "Draw")
    samples = page.locator(".thumbnail-item img").locator("visible=true")
    until(lambda: samples.count() == 16)
    samples.nth(2).click()
    samples.nth(5).click()
    page.get_by_label("range slider for From the first to the second").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")  # by the keyboard alone
    press(page, "Its nearest training images")
    until(lambda: samples.count() >= 24)
    shot(page, "explore")
    choose(page, "Save as", "zip (export)")
    press(page, "Make the file")
    with page.expect_download() as download:
        page.get_by_role("link", name="KB").or_(page.get_by_role("link", name="MB")).locator(
            "visible=true").first.click()  # fmt: skip
    kept = tmp_path / "kept.zip"
    download.value.save_as(kept)
    with zipfile.ZipFile(kept) as archive:
        assert {"generator.py", "generator.safetensors", "README.md"} <= set(archive.namelist())

    page.get_by_role("tab", name="Compare").click()
    choose(page, "Runs", "dcgan-pictures-s0")
    press(page, "Compare")
    page.get_by_text("dcgan").locator("visible=true").nth(1).wait_for()
    until(lambda: samples.count() == 1 and page.get_by_text("processing").count() == 0)
    shot(page, "compare")


def test_the_pages_fit_a_narrow_screen(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.get_by_role("button", name="Look at the images").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "narrow")
