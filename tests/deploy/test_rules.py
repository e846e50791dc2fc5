"""Alerts and recorded numbers: valid, each seen to fire and not to fire, and knowing tuft's errors by their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.prometheus import CONFIGURATION, RULES, needs_prometheus, promtool

from tuft import errors
from tuft.errors import ServerError

TESTS = Path(__file__).parent / "rules_test.yaml"


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


ALERTS = [rule["alert"] for rule in rules() if "alert" in rule]


@needs_prometheus
def test_prometheus_accepts_configuration_and_rules() -> None:
    done = promtool("check", "config", CONFIGURATION / "prometheus.yaml")
    assert done.returncode == 0, done.stderr
    assert f"{len(rules())} rules found" in done.stdout


@needs_prometheus
def test_every_course_of_events_has_the_alerts_it_should() -> None:
    done = promtool("test", "rules", TESTS)
    assert done.returncode == 0, done.stdout


@needs_prometheus
def test_these_tests_can_fail(tmp_path: Path) -> None:
    broken = RULES.read_text().replace("> 0.02", "> 0.5")
    (tmp_path / "rules.yaml").write_text(broken)
    (tmp_path / "test.yaml").write_text(TESTS.read_text().replace("../../deploy/prometheus/rules.yaml", "rules.yaml"))
    assert promtool("test", "rules", tmp_path / "test.yaml").returncode != 0


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_seen_to_fire_and_to_stay_quiet(alert: str) -> None:
    courses = yaml.safe_load(TESTS.read_text())["tests"]
    looks = [look for course in courses for look in course.get("alert_rule_test", ()) if look["alertname"] == alert]
    assert {bool(look.get("exp_alerts")) for look in looks} == {True, False}


def test_each_alert_says_how_urgent_it_is_and_where_to_look() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("page", "look")
            assert rule["annotations"]["summary"].endswith(".")
            assert rule["annotations"]["look"].endswith((".", "?"))


def test_failures_are_the_servers_and_no_bad_photographs() -> None:
    (recorded,) = (rule for rule in rules() if rule.get("record") == "tuft:failures:ratio_rate5m")
    match = re.search(r'outcome=~"([^"]+)"', recorded["expr"])
    assert match is not None
    for name, error in vars(errors).items():
        if isinstance(error, type) and error not in (ServerError, errors.TuftError):
            counted = re.fullmatch(match[1], name) is not None
            # A prompt that needs a model which is not served is the request's mistake.
            at_fault = issubclass(error, ServerError) and error is not errors.PromptModelMissingError
            assert counted == at_fault, name
    for name, counted in (("ok", False), ("unexpected", True), ("KeyboardInterrupt", False)):
        assert (re.fullmatch(match[1], name) is not None) == counted
