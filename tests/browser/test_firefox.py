"""The main story in a second engine: Firefox, driven from Node over WebDriver BiDi."""

import json
import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr.core.policy import Policy
from tests.conftest import Clock
from tests.requirements import require, require_program

MODULES = Path(project.BASE_DIR) / "node_modules"
STORY = Path(__file__).parent / "firefox" / "story.mjs"


def test_the_story_in_firefox(
    live_server: Any, clock: Clock, settings: Any, alice: User, idle_policy: Policy
) -> None:
    settings.ROOT_URLCONF = "tests.browser.pages"
    firefox = require_program("firefox-esr", "apt-get install firefox-esr")
    node = require_program("node", "apt-get install nodejs")
    require((MODULES / "puppeteer-core").exists(), "puppeteer-core is not installed: npm ci")
    client = Client()
    client.force_login(alice)
    cookies = [
        {"name": name, "value": morsel.value, "domain": "localhost", "path": "/"}
        for name, morsel in client.cookies.items()
    ]
    axe = str(MODULES / "axe-core" / "axe.min.js")
    story = subprocess.Popen(  # noqa: S603
        [node, str(STORY), firefox, live_server.url, axe, json.dumps(cookies)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with story:
        assert story.stdin
        assert story.stdout
        assert story.stderr
        for line in story.stdout:
            clock.advance(seconds=json.loads(line)["advance"])
            story.stdin.write("done\n")
            story.stdin.flush()
        complaint = story.stderr.read()
    assert story.returncode == 0, complaint
