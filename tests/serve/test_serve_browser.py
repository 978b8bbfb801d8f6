"""The live page in a real browser: boxes appear, a click shows a signal, a lost page comes back."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from boltmod.model import shipped
from boltmod.runtime.session import Classifier
from boltmod.serve.app import application
from boltmod.serve.demonstration import demonstration
from boltmod.serve.paced import Paced
from boltmod.serve.server import Place, Server
from boltmod.serve.station import Station
from boltmod.serve.viewers import Viewers

pytestmark = pytest.mark.browser

PATIENCE_S = 60
MOVED = [StaleElementReferenceException, ElementClickInterceptedException]
SIZES = [(1400, 900), (400, 800)]
ARGUMENTS = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run",
    # Nothing but the page is asked for, whatever network there is.
    "disable-background-networking", "disable-component-update", "disable-sync", "disable-quic",
    "no-proxy-server",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for found in map(shutil.which, names) if found), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("profile")
    for argument in (*ARGUMENTS, f"user-data-dir={profile}"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    chrome.set_page_load_timeout(PATIENCE_S)
    try:
        yield chrome
    finally:
        chrome.quit()


@contextmanager
def served(port: int = 0) -> Iterator[int]:
    """A page of the demonstration's signals; gives its port."""
    viewers, ready = Viewers(), threading.Event()
    classifier = Classifier(shipped.path_of(shipped.DEFAULT), threads=1)
    station = Station(Paced(demonstration(), True), classifier, viewers)
    with Place("127.0.0.1", port).bound() as listening:
        server = Server(application(station, viewers), ready.set)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert ready.wait(60)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(60)


def test_a_page_in_a_browser(browser: webdriver.Chrome) -> None:
    def script(text: str) -> Any:
        return browser.execute_script(f"return {text}")

    def wait(found: Callable[[], Any]) -> Any:
        return WebDriverWait(browser, PATIENCE_S, 0.1, MOVED).until(lambda _: found())

    def until(seen: Callable[[], Any], action: Callable[[], Any]) -> None:
        """Do it again until it is seen: a row may move away below the mouse."""
        wait(lambda: (action(), seen())[1])

    def state() -> str:
        return browser.find_element(By.ID, "state").text

    with served() as port:
        browser.get(f"http://127.0.0.1:{port}/")
        wait(lambda: state() == "live")
        # Boxes and a table of the signals appear.
        wait(lambda: int(script("document.getElementById('waterfall').dataset.boxes || 0")) >= 4)
        rows = "document.querySelectorAll('#rows tr').length"
        wait(lambda: script(rows) >= 2)
        wait(lambda: "QPSK" in browser.find_element(By.ID, "rows").text)

        # A click on a row shows the signal; Escape leaves it.
        detail = browser.find_element(By.ID, "detail")
        assert not detail.is_displayed()
        qpsk = "//tbody/tr[contains(., 'QPSK')]"

        def is_shown() -> bool:
            return detail.is_displayed() and "QPSK" in detail.text

        until(is_shown, lambda: browser.find_element(By.XPATH, qpsk).click())
        assert "Symbol rate" in detail.text
        assert browser.find_element(By.ID, "constellation").get_attribute("aria-label").startswith(
            "Constellation, "
        )  # fmt: skip
        assert browser.find_element(By.XPATH, qpsk).get_attribute("aria-selected") == "true"
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        wait(lambda: not detail.is_displayed())

        # A click on a box does, too, and the keyboard does what the mouse does.
        canvas = browser.find_element(By.ID, "waterfall")
        x, y = script("(() => { const c = document.getElementById('waterfall');"
                      " const [low, high] = [-250e3, 250e3]; const b = c.getBoundingClientRect();"
                      " return [(60e3 - low) / (high - low) * b.width - b.width / 2,"
                      " 130 - b.height / 2]; })()")  # fmt: skip

        def click_box() -> None:
            # Made anew for each click: what was performed once is empty.
            ActionChains(browser).move_to_element_with_offset(
                canvas, int(x), int(y)
            ).click().perform()

        until(is_shown, click_box)
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        until(is_shown, lambda: browser.find_element(By.XPATH, qpsk).send_keys(Keys.ENTER))

        # A drag measures.
        ActionChains(browser).move_to_element_with_offset(canvas, -40, 60).click_and_hold(
        ).move_by_offset(60, 40).release().perform()  # fmt: skip
        assert "measured:" in browser.find_element(By.ID, "cursor").text
        browser.find_element(By.ID, "zoom-measure").click()

        # While it is paused, rows wait.
        pause = browser.find_element(By.ID, "pause")
        pause.click()
        browser.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        )
        newest = "Number(document.getElementById('waterfall').dataset.newest)"
        held, clock = script(newest), browser.find_element(By.ID, "clock").text
        wait(lambda: browser.find_element(By.ID, "clock").text != clock)
        assert script(newest) == held
        pause.click()
        wait(lambda: script(newest) > held)

        # Nothing is cut off at any width, and everything has a name.
        for width, height in SIZES:
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False,
            })  # fmt: skip
            assert script("document.documentElement.scrollWidth <= innerWidth"), width
        unnamed = script(
            "[...document.querySelectorAll('button, input, select, a, canvas[role]')].filter("
            "(e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map(String)"
        )
        assert unnamed == []
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        wait(lambda: not detail.is_displayed())

    # The page says that it has lost the server, and comes back by itself.
    wait(lambda: state().startswith("connection lost"))
    with served(port):
        wait(lambda: state() == "live")
        wait(lambda: script(rows) >= 2)
    severe = [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
    assert [each for each in severe if "WebSocket" not in each["message"]] == []
