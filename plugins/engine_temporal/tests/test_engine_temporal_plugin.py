"""What the plugin registers, and its settings."""

import pytest
from computor_engine_temporal.plugin import Plugin
from computor_engine_temporal.provider import TemporalEngine, create
from computor_engine_temporal.settings import TemporalSettings
from pydantic import ValidationError

from computor_core.targets import load_target


def test_the_registration_leads_to_engine_and_settings() -> None:
    (registration,) = Plugin().computor_workflow_engines()
    assert registration.type == "temporal"
    assert load_target(registration.factory) is create
    assert registration.settings is not None
    assert load_target(registration.settings) is TemporalSettings
    assert registration.capabilities == {item.value for item in TemporalEngine.capabilities}


def test_the_api_key_shows_nowhere() -> None:
    assert "s3cret" not in repr(TemporalSettings(api_key="s3cret"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": ""},
        {"namespace": ""},
        {"task_queue": ""},
        {"concurrency": 0},
        {"heartbeat_seconds": 0},
        {"request_seconds": -1},
        {"adress": "127.0.0.1:7233"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TemporalSettings(**wrong)  # type: ignore[arg-type]
