"""Tabs that nobody sees: hidden, their timers slowed down, frozen. Playwright cannot do that."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from sessionmgr.core.policy import Policy
from tests.browser.conftest import FLAGS
from tests.conftest import Clock
from tests.requirements import require_program

#: Notes what the page shows, and whether it is veiled once all have heard that it wakes up.
WATCH = """
window.views = [];
window.veiled = [];
addEventListener("session-timeout:state", ({detail}) => views.push(detail.state));
for (const type of ["visibilitychange", "resume"])
  document.addEventListener(type, () => {
    if (!document.hidden) veiled.push(document.documentElement.matches("[data-session-locked]"));
  });
"""
MOVE = "Date.now = ((real, span) => () => real() + span)(Date.now, arguments[0] * 1000)"
LEFT = "return document.querySelector('session-timeout').remaining()"
STATE = "return document.querySelector('session-timeout').getAttribute('state')"
SEEN = "return document.querySelector('h1').checkVisibility({visibilityProperty: true})"


class Tabs:
    """Alice's browser: a page of the app, and an empty tab to turn to."""

    def __init__(self, driver: webdriver.Chrome, clock: Clock, base: str) -> None:
        self.driver = driver
        self.clock = clock
        self.base = base
        (self.other,) = set(driver.window_handles) - {driver.current_window_handle}

    def open(self, user: User) -> None:
        """Open the form as ``user``, signed in, in a tab that is seen."""
        self.driver.get(f"{self.base}/open/")
        self.driver.delete_all_cookies()
        client = Client()
        client.force_login(user)
        for name, morsel in client.cookies.items():
            self.driver.add_cookie({"name": name, "value": morsel.value})
        self.driver.get(f"{self.base}/form/")
        self.wait_for(lambda: self.run(STATE) == "active")
        assert self.run(SEEN)
        self.run(WATCH)

    def run(self, script: str, *values: object) -> Any:
        return self.driver.execute_script(script, *values)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        WebDriverWait(self.driver, 10, poll_frequency=0.05).until(lambda driver: condition())

    def hide(self) -> None:
        """Turn to the other tab; scripts can still be run in the one that is hidden."""
        self.driver.execute_cdp_cmd("Target.activateTarget", {"targetId": self.other})
        self.wait_for(lambda: self.run("return document.visibilityState") == "hidden")

    def show(self) -> None:
        self.driver.execute_cdp_cmd("Page.bringToFront", {})
        self.wait_for(lambda: self.run("return document.visibilityState") == "visible")

    def lifecycle(self, state: str) -> None:
        self.driver.execute_cdp_cmd("Page.setWebLifecycleState", {"state": state})

    def oversleep(self, **span: float) -> None:
        """Let time pass on both sides and run no timer, as with a laptop's lid closed."""
        self.clock.advance(**span)
        self.run(MOVE, span.get("seconds", 0) + 60 * span.get("minutes", 0))


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = require_program("chromium", "apt-get install chromium")
    for flag in [*FLAGS, "--headless"]:
        options.add_argument(flag)
    # chromedriver lets hidden tabs run as fast as others; people's browsers do not.
    slow = ["disable-background-timer-throttling", "disable-renderer-backgrounding"]
    options.add_experimental_option("excludeSwitches", slow)
    program = require_program("chromedriver", "apt-get install chromium-driver")
    chrome = webdriver.Chrome(options, Service(program))
    page = chrome.current_window_handle
    chrome.switch_to.new_window("tab")
    chrome.switch_to.window(page)
    yield chrome
    chrome.quit()


@pytest.fixture
def tabs(
    driver: webdriver.Chrome,
    live_server: Any,
    clock: Clock,
    settings: Any,
    alice: User,
    idle_policy: Policy,
) -> Iterator[Tabs]:
    """Alice, signed in, with the form before her."""
    settings.ROOT_URLCONF = "tests.browser.pages"
    opened = Tabs(driver, clock, live_server.url)
    opened.open(alice)
    yield opened
    opened.show()
    # No page may ask a server that has gone on to the next test.
    driver.get("about:blank")


def test_the_title_of_a_hidden_tab_tells_of_the_warning(tabs: Tabs) -> None:
    tabs.oversleep(minutes=24, seconds=58)
    tabs.hide()
    tabs.run("dispatchEvent(new Event('online'))")  # it learns what has passed
    tabs.wait_for(lambda: tabs.driver.title.startswith("(5 "))
    assert tabs.driver.title.endswith(") A form")
    assert tabs.run(STATE) == "idle"

    tabs.show()
    tabs.wait_for(lambda: tabs.driver.title == "A form")


def test_on_waking_the_numbers_are_the_servers(tabs: Tabs) -> None:
    tabs.hide()
    tabs.oversleep(minutes=26, seconds=30)
    assert tabs.run(STATE) == "active"
    tabs.show()
    tabs.wait_for(lambda: tabs.run(STATE) == "idle")
    assert 204 <= tabs.run(LEFT) <= 210
    tabs.wait_for(
        lambda: (
            tabs.run("return document.querySelector('dialog[open] [data-count]').textContent")
            == "4 minutes"
        )
    )
    assert tabs.run("return views") == ["idle"]


def test_slowed_timers_lose_no_second(tabs: Tabs) -> None:
    tabs.oversleep(minutes=29)
    tabs.hide()
    tabs.run("dispatchEvent(new Event('online'))")
    tabs.wait_for(lambda: tabs.run(STATE) == "idle")
    # A timer for each 50 ms comes once a second: that is what a hidden page has.
    tabs.run("window.began = performance.now(); window.ticks = 0; setInterval(() => ticks++, 50)")
    tabs.wait_for(lambda: tabs.run("return performance.now() - began") > 2500)
    assert tabs.run("return ticks") < 15
    asked = "return fetch('/session/status/').then((answer) => answer.json())"
    server = tabs.run(asked)["idle_seconds"]
    assert abs(tabs.run(LEFT) - server) <= 2

    tabs.oversleep(seconds=20)
    tabs.show()
    tabs.wait_for(
        lambda: (
            abs(
                tabs.run("return document.querySelector('dialog[open] progress').value")
                - tabs.run(LEFT)
            )
            <= 1.5
        )
    )


@pytest.mark.parametrize("is_frozen", [False, True], ids=["hidden", "frozen"])
def test_a_page_that_slept_through_its_end_is_veiled_before_it_is_seen(
    tabs: Tabs, is_frozen: bool
) -> None:
    tabs.hide()
    if is_frozen:
        tabs.lifecycle("frozen")
    tabs.oversleep(minutes=31)
    assert tabs.run("return views") == []
    if is_frozen:
        tabs.lifecycle("active")
    tabs.show()
    tabs.wait_for(lambda: tabs.run(STATE) == "ended")
    assert tabs.run("return veiled")
    assert all(tabs.run("return veiled"))
    assert set(tabs.run("return views")) == {"checking", "ended"}
    assert not tabs.run(SEEN)


def test_a_frozen_page_that_is_still_signed_in_goes_on(tabs: Tabs) -> None:
    tabs.hide()
    tabs.lifecycle("frozen")
    tabs.oversleep(minutes=10)
    tabs.lifecycle("active")
    tabs.show()
    tabs.wait_for(lambda: 1190 <= tabs.run(LEFT) <= 1200)
    assert tabs.run(STATE) == "active"
    assert tabs.run("return views") == []


def test_an_end_told_while_frozen_is_shown_on_thawing(tabs: Tabs) -> None:
    tabs.hide()
    tabs.lifecycle("frozen")
    tabs.driver.delete_cookie("sessionid")
    tabs.oversleep(minutes=3)
    tabs.lifecycle("active")
    tabs.show()
    tabs.wait_for(lambda: tabs.run(STATE) == "ended")
