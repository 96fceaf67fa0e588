"""The Celery application: its schedule, and how it treats the broker."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sessionmgr.project.celery import PATIENCE, app, transport_options


def test_each_scheduled_task_exists_and_expires_before_it_comes_again() -> None:
    for entry in app.conf.beat_schedule.values():
        module, _, name = entry["task"].rpartition(".")
        assert getattr(import_module(module), name).name == entry["task"]
        assert entry["options"]["expires"] > 0
    stale = app.conf.beat_schedule["expire stale sessions"]
    assert stale["schedule"] == 60.0
    assert stale["options"]["expires"] < 60


def test_folder_broker_finds_its_folders_made(tmp_path: Path, settings: Any) -> None:
    settings.CELERY_BROKER_FOLDER = str(tmp_path / "broker")
    options = transport_options("filesystem://localhost//")
    assert all(Path(folder).is_dir() for folder in options.values())


@pytest.mark.parametrize("url", ["redis://localhost", "amqp://localhost"])
def test_nobody_waits_long_for_a_broker(url: str) -> None:
    options = transport_options(url)
    assert options["socket_timeout"] == options["socket_connect_timeout"] == PATIENCE <= 1
    assert app.conf.broker_connection_timeout <= 1
    assert app.conf.task_publish_retry is False


def test_times_are_utc() -> None:
    assert app.conf.timezone == "UTC"
