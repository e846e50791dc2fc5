from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuft import Client, FakeTransport, Settings, load_settings
from tuft.errors import OptionError
from tuft.settings import VARIABLES, misspelt_variables, resolve
from tuft.settings.values import NAMES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, and the home folder in it."""
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    return tmp_path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_order_of_strength(tmp_path: Path) -> None:
    """Each source takes precedence over the ones before it, whichever of the others are present."""
    config = written(tmp_path / "any.toml", "retries = 1")
    sources = ["file", "variable", "argument"]
    for count in range(4):
        for present in itertools.combinations(sources, count):
            resolved = resolve(
                {"retries": 3} if "argument" in present else {},
                config=config if "file" in present else None,
                environment={"TUFT_RETRIES": "4"} if "variable" in present else {},
            )
            strongest = max(present, key=sources.index, default="default")
            assert resolved.settings.retries == {"default": 2, "file": 1, "variable": 4, "argument": 3}[strongest]
            assert resolved.origins["retries"].startswith(strongest)
            assert {origin for name, origin in resolved.origins.items() if name != "retries"} == {"default"}


def test_every_setting_has_its_variable_and_its_key(tmp_path: Path) -> None:
    assert set(VARIABLES) == set(NAMES)
    in_file = written(
        tmp_path / "all.toml",
        """
        url = "gpu:9001"
        root_certificates = "ca.pem"
        client_certificate = "me.pem"
        client_key = "me.key"
        token = "hidden"
        headers = ["x-team: 7", "x-tier: gold"]
        preset = "maximum"
        timeout_s = 7
        max_pixels = 1_000
        max_bytes = 50_000
        isolate_decoding = true
        shared_memory = true
        fallback = false
        fallback_on = ["memory", "timeout"]
        stable_last = true
        retries = 5
        retry_budget_percent = 20.5
        breaker_failures = 9
        breaker_probe_s = 30
        cache_dir = "kept"
        cache_mb = 64
        rollout_dir = "rolling"
        metrics_port = 8003
        log = "stderr"
        tracing = true
        """,
    )
    environment = {
        "TUFT_URL": "gpu:9001",
        "TUFT_PRESET": "maximum",
        "TUFT_TIMEOUT_S": " 7 ",
        "TUFT_MAX_PIXELS": "1000",
        "TUFT_MAX_BYTES": "50000",
        "TUFT_ISOLATE_DECODING": "yes",
        "TUFT_ROOT_CERTIFICATES": "ca.pem",
        "TUFT_CLIENT_CERTIFICATE": "me.pem",
        "TUFT_CLIENT_KEY": "me.key",
        "TUFT_TOKEN": "hidden",
        "TUFT_HEADERS": "x-team: 7, x-tier: gold",
        "TUFT_FALLBACK": "No",
        "TUFT_FALLBACK_ON": "memory, timeout",
        "TUFT_STABLE_LAST": "yes",
        "TUFT_RETRIES": "5",
        "TUFT_RETRY_BUDGET_PERCENT": "20.5",
        "TUFT_BREAKER_FAILURES": "9",
        "TUFT_BREAKER_PROBE_S": "30",
        "TUFT_CACHE_DIR": "kept",
        "TUFT_CACHE_MB": "64",
        "TUFT_ROLLOUT_DIR": "rolling",
        "TUFT_METRICS_PORT": "8003",
        "TUFT_LOG": "stderr",
        "TUFT_TRACING": "yes",
        "TUFT_SHARED_MEMORY": "yes",
        "TUFT_PORT_8001_TCP": "tcp://10.0.0.1:8001",  # set by Kubernetes for a service called tuft
    }
    expected = Settings(
        url="gpu:9001",
        preset="maximum",
        timeout_s=7.0,
        max_pixels=1000,
        max_bytes=50_000,
        isolate_decoding=True,
        shared_memory=True,
        root_certificates="ca.pem",
        client_certificate="me.pem",
        client_key="me.key",
        token="hidden",
        headers=("x-team: 7", "x-tier: gold"),
        fallback=False,
        fallback_on=("memory", "timeout"),
        stable_last=True,
        retries=5,
        retry_budget_percent=20.5,
        breaker_failures=9,
        breaker_probe_s=30.0,
        cache_dir="kept",
        cache_mb=64.0,
        rollout_dir="rolling",
        metrics_port=8003,
        log="stderr",
        tracing=True,
    )
    by_file, by_variable = resolve({}, config=in_file, environment={}), resolve({}, environment=environment)
    shared = set(vars(expected))
    assert by_file.settings == by_variable.settings == expected
    assert {by_file.origins[name] for name in shared} == {f"file {in_file}"}
    assert all(by_variable.origins[name] == f"variable {VARIABLES[name]}" for name in shared)
    assert isinstance(by_file.settings.timeout_s, float)


def test_where_the_file_is_looked_for(tmp_path: Path) -> None:
    user_file = written(tmp_path / "home" / "tuft" / "config.toml", "retries = 1")
    assert resolve({}).file == user_file
    assert resolve({}, environment={"XDG_CONFIG_HOME": "relative", "HOME": str(tmp_path)}).file is None
    written(tmp_path / ".config" / "tuft" / "config.toml", "retries = 6")
    assert resolve({}, environment={"HOME": str(tmp_path)}).settings.retries == 6
    here = written(tmp_path / "tuft.toml", "stable_last = true")
    assert resolve({}).file == here
    assert load_settings().retries == 2  # one file is read, not a mixture
    named = written(tmp_path / "named.toml", "retries = 3")
    assert resolve({}, environment={"TUFT_CONFIG": str(named)}).file == named
    given_file = written(tmp_path / "given.toml", "retries = 4")
    assert resolve({}, config=given_file, environment={"TUFT_CONFIG": str(named)}).file == given_file
    assert load_settings(str(given_file), retries=None, preset="high") == Settings(retries=4, preset="high")


def test_a_client_reads_them_unless_it_is_given_settings(tmp_path: Path) -> None:
    written(tmp_path / "tuft.toml", 'preset = "high"')
    fake = FakeTransport()
    assert Client(transport=fake).settings.preset == "high"
    assert Client(transport=fake, preset="stable").settings.preset == "stable"
    assert Client(transport=fake, settings=Settings(retries=0)).settings == Settings(retries=0)
    assert Client(transport=fake, settings=Settings(retries=0), preset="auto").settings.preset == "auto"


def test_an_empty_variable_is_an_unset_one() -> None:
    assert resolve({}, environment={"TUFT_URL": "", "TUFT_TIMEOUT_S": "", "TUFT_CONFIG": ""}).settings == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timeout = 7", "sets timeout, which is no setting: write timeout_s."),
        ("[tuft]\nretries = 1", "sets tuft, which is no setting: `tuft config` lists"),
        ("retries = '1'", "retries is '1' in {file}: set it to a whole number."),
        ("retries = true", "retries is True in {file}: set it to a whole number."),
        ("retries = 1.5", "set it to a whole number."),
        ("fallback = 1", "set it to true or false."),
        ("fallback_on = 'memory'", "set it to a list of names."),
        ("fallback_on = [1]", "There is no reason 1 for fallback_on"),
        ("url = 8001", "set it to a text."),
        ("retries = 99", "retries is 99: give a number that is from 0 to 10 (file {file})."),
        ("retries = ", "is not TOML ("),
        ("\udcff", "is not TOML ("),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "tuft.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OptionError, match=re.escape(said.format(file=file))) as error:
        resolve({})
    assert str(file) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    for asked in ({"config": tmp_path / "none.toml"}, {"environment": {"TUFT_CONFIG": str(tmp_path)}}):
        with pytest.raises(OptionError, match=r"cannot be read \(.*\): give another with --config or TUFT_CONFIG\."):
            resolve({}, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("TUFT_TIMEOUT_S", "soon", "TUFT_TIMEOUT_S is 'soon': set it to a number, or unset it."),
        ("TUFT_MAX_PIXELS", "1e6", "a whole number"),
        ("TUFT_FALLBACK", "maybe", "yes or no"),
        ("TUFT_PRESET", "best", "no preset 'best': choose one of"),
        ("TUFT_TIMEOUT_S", "nan", "above zero (variable TUFT_TIMEOUT_S)."),
        ("TUFT_FALLBACK_ON", "memory,rain", "no reason 'rain'"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(variable: str, text: str, said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        resolve({}, environment={variable: text})


def test_an_argument_that_makes_no_sense_needs_no_origin() -> None:
    with pytest.raises(OptionError, match=r"give a number that is from 0 to 10\.$"):
        load_settings(retries=99)


@given(st.sampled_from(tuple(VARIABLES.values())), st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_setting_or_one_sentence(variable: str, text: str) -> None:
    said = ""
    try:
        resolve({}, environment={variable: text})
    except OptionError as error:
        said = str(error)
    assert not said or said.endswith(".")


TOML_VALUES: Any = st.one_of(st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.just({}))


@given(st.sampled_from(NAMES), TOML_VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_a_file_is_a_setting_or_one_sentence(tmp_path: Path, name: str, value: Any) -> None:
    literal = {True: "true", False: "false"}[value] if isinstance(value, bool) else None
    if literal is None:
        literal = re.sub(r"'", '"', repr(value)) if not isinstance(value, str) else "'''x'''"
    (tmp_path / "some.toml").write_text(f"{name} = {literal}", "utf-8", "replace")
    said = ""
    try:
        resolve({}, config=tmp_path / "some.toml", environment={})
    except OptionError as error:
        said = str(error)
    assert not said or said.endswith(".")


def test_misspelt_variables_are_hinted_at_and_others_are_not() -> None:
    environment = {"TUFT_TIMEOUT": "1", "TUFT_RETRYS": "1", "TUFT_PORT_8001_TCP": "x", "TUFT_DEBUG": "1", "HOME": "/"}
    assert misspelt_variables(environment) == {"TUFT_TIMEOUT": "TUFT_TIMEOUT_S", "TUFT_RETRYS": "TUFT_RETRIES"}
    assert not misspelt_variables(dict.fromkeys((*VARIABLES.values(), "TUFT_CONFIG", "TUFT_LOG"), "1"))
