"""The pages, in a real browser that reaches nothing but this machine."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from runtime.process import ROOT
from runtime.programs import program

pytestmark = pytest.mark.programs

SECONDS = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    # No name is looked up: a page that needs the internet is seen to need it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
SCREENSHOTS = os.environ.get("UPDATE_SCREENSHOTS") == "1"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A headless Chromium with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = program("CHROMIUM")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options, ChromeService(program("CHROMEDRIVER")))
    try:
        driver.set_window_size(1240, 1170)
        yield driver
    finally:
        driver.quit()


def requested(browser: Chrome) -> list[str]:
    """Every URL that the page asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def assert_nothing_from_elsewhere(browser: Chrome, url: str) -> None:
    """All that was loaded came from the runtime, and nothing failed or was blocked."""
    urls = [u for u in requested(browser) if not u.startswith(("data:", "blob:", "chrome:"))]
    assert urls
    assert [u for u in urls if not u.startswith(f"{url}/")] == []
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def wait(browser: Chrome) -> WebDriverWait[Chrome]:
    """As long as a loaded machine may need."""
    return WebDriverWait(browser, SECONDS, ignored_exceptions=())


def text_of(browser: Chrome, selector: str) -> str:
    """What a person reads there now."""
    found: str = browser.find_element(By.CSS_SELECTOR, selector).text
    return found


def see(browser: Chrome, name: str) -> None:
    """Keep what is seen for the documentation, when asked to."""
    if SCREENSHOTS:
        browser.save_screenshot(str(ROOT / "docs" / "images" / f"{name}.png"))


def test_a_person_tries_a_prediction_on_the_start_page(
    browser: Chrome, url: str, row: dict[str, float], estimator: Any
) -> None:
    """The form has every feature, the answer is the model's, the numbers move, a mistake shows."""
    browser.get(f"{url}/")
    wait(browser).until(lambda b: text_of(b, "#state") == "Ready")
    wait(browser).until(
        lambda b: len(b.find_elements(By.CSS_SELECTOR, "#fields input")) == len(row)
    )
    assert text_of(browser, "#name") == "breast-cancer 1.0.0"
    assert "mean radius" in text_of(browser, "#fields")
    before = int(text_of(browser, "#total").replace(",", ""))

    for name, value in row.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(repr(value))
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#answer .label"))
    label = ("malignant", "benign")[estimator.predict([list(row.values())])[0]]
    share = estimator.predict_proba([list(row.values())]).max()
    assert text_of(browser, "#answer .label") == label
    assert f"{share * 100:.2f} %" in text_of(browser, "#answer")
    wait(browser).until(lambda b: int(text_of(b, "#total").replace(",", "")) > before)
    wait(browser).until(lambda b: text_of(b, "#p95").endswith("s"))
    browser.execute_script("scrollTo(0, 0)")
    see(browser, "start")

    field = browser.find_element(By.NAME, "feature_2")
    field.clear()
    field.send_keys("much")
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#answer .error"))
    assert "feature_2" in text_of(browser, "#answer .error")
    assert field.get_attribute("aria-invalid") == "true"
    # Chromium itself notes a 400 as severe; nothing else may be.
    severe = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert [m for m in severe if "/predict" not in m] == []
    assert_nothing_from_elsewhere(browser, url)


def test_a_person_sends_the_example_on_the_documentation_page(browser: Chrome, url: str) -> None:
    """As it stands there, and it is answered."""
    browser.get(f"{url}/docs")
    wait(browser).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, ".opblock")) > 20)
    see(browser, "docs")
    route = '.opblock:has([data-path="/predict"])'
    opener = browser.find_element(By.CSS_SELECTOR, f"{route} .opblock-summary-control")
    browser.execute_script("arguments[0].click()", opener)
    execute = wait(browser).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, f"{route} button.execute")
    )
    browser.execute_script("arguments[0].click()", execute[0])
    shown = ".live-responses-table .response-col_status"
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, shown))
    assert "200" in browser.find_elements(By.CSS_SELECTOR, shown)[-1].text
    assert "prediction" in text_of(browser, ".live-responses-table")
    assert_nothing_from_elsewhere(browser, url)


def test_the_reference_page_is_drawn(browser: Chrome, url: str) -> None:
    """With the model's features, and without its makers' mark from their server."""
    browser.get(f"{url}/redoc")
    wait(browser).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".api-content"))
    wait(browser).until(lambda b: "feature_30" in text_of(b, ".api-content"))
    see(browser, "redoc")
    assert_nothing_from_elsewhere(browser, url)
