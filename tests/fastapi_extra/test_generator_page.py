"""The example page in a real browser: a prompt is typed, the model is waited for, and its pixels are on the screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from triverse.sandbox import Sandbox, SandboxSettings

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "generator"
PATIENCE = 60.0
MANY_COLOURS = 50

_BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    _BROWSER is None or _DRIVER is None, reason="needs Chromium and chromedriver, which no Python package brings"
)

# Counts the colours of the drawing: a model on a transparent background has many, an empty canvas one.
_COUNT_COLOURS = """
const [done, image] = [arguments[0], new Image()];
image.onload = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  done(new Set(pixels).size);
};
image.src = document.getElementById("viewer").toDataURL();
"""


@pytest.fixture
def sandbox() -> Generator[tuple[Sandbox, str], None, None]:
    sandbox = Sandbox(task_seconds=None)  # tasks move when the test moves them
    with sandbox.serve() as url:
        yield sandbox, url


@pytest.fixture
def page(sandbox: tuple[Sandbox, str]) -> Generator[str, None, None]:
    """The URL of the running application."""
    local, url = sandbox
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(EXAMPLES), "--port", "0"]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = {**os.environ, "TRIVERSE_BASE_URL": url, "TRIVERSE_API_KEY": local.demo.key, "PYTHONPATH": path}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - the project's own example
        assert process.stderr is not None
        try:
            yield next(found[1] for line in process.stderr if (found := re.search(r"running on (\S+)", line)))
        finally:
            process.terminate()
            process.stderr.read()


@pytest.fixture
def browser(tmp_path: Path) -> Generator[webdriver.Chrome, None, None]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(_BROWSER)
    for flag in (
        "headless",
        "no-sandbox",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "use-gl=angle",
        "use-angle=swiftshader",
        "enable-unsafe-swiftshader",
        "window-size=1280,900",
        f"user-data-dir={tmp_path}",
    ):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(_DRIVER)))
    try:
        driver.set_script_timeout(PATIENCE)
        yield driver
    finally:
        driver.quit()


def colours_of(browser: webdriver.Chrome) -> int:
    colours: int = browser.execute_async_script(_COUNT_COLOURS)  # pyright: ignore[reportUnknownMemberType]  # selenium leaves its arguments untyped
    return colours


def type_prompt(browser: webdriver.Chrome, text: str) -> None:
    browser.find_element(By.ID, "prompt").send_keys(text)
    browser.find_element(By.ID, "create").click()


def wait_for(browser: webdriver.Chrome, script: str) -> None:
    WebDriverWait(browser, PATIENCE).until(lambda driver: driver.execute_script(f"return {script}"))  # pyright: ignore[reportUnknownMemberType]  # selenium leaves its arguments untyped


def test_a_prompt_becomes_a_model_on_the_screen(
    browser: webdriver.Chrome, page: str, sandbox: tuple[Sandbox, str]
) -> None:
    browser.get(page)
    wait_for(browser, "document.getElementById('credits').textContent.startsWith('1200 available')")
    type_prompt(browser, "a weathered brass diving helmet")
    wait_for(browser, "document.getElementById('status').textContent")
    local, _ = sandbox
    task = local.demo.tasks[-1]
    while task.status != "RUNNING":
        task.advance()
    wait_for(browser, "document.getElementById('status').textContent === 'RUNNING'")
    task.succeed()
    wait_for(browser, "document.getElementById('viewer').loaded")
    # The first frame is drawn some time after the model was loaded.
    WebDriverWait(browser, PATIENCE).until(lambda driver: colours_of(driver) > MANY_COLOURS)
    wait_for(browser, "document.getElementById('credits').textContent.endsWith(', 0 frozen')")
    assert local.demo.spent > 0
    assert local.demo.key not in browser.page_source


def test_missing_credits_are_explained_on_the_page(
    browser: webdriver.Chrome, page: str, sandbox: tuple[Sandbox, str]
) -> None:
    local, _ = sandbox
    local.settings = SandboxSettings(prices={"text-to-model": 5000})
    browser.get(page)
    type_prompt(browser, "a gold bar")
    wait_for(browser, "!document.getElementById('error').hidden")
    assert "costs 5020 API credits" in browser.find_element(By.ID, "error").text
    assert not local.demo.tasks
