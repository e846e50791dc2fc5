"""Every name of TensorRT that tuft uses, and every argument it gives, is in the real bindings: 11.4 and 10.12.

Those of 11.4 are imported. Those of 10.12 were read once, by the same `api_of`, from the wheel tensorrt-cu12-bindings
10.12.0.36 into `tests/support/tensorrt_10_12.json`.
"""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import fake_tensorrt
from support.bindings_api import Api, Overload, api_of
from support.faults import Faults

from tuft_export import engines

SOURCES = sorted(Path(engines.__file__).parent.glob("*.py"))
LISTED = Path(fake_tensorrt.__file__).with_name("tensorrt_10_12.json")

# What a variable of this name holds in these sources, with or without an underscore or an object before it.
RECEIVERS = {
    "trt": "",  # the module itself
    "builder": "Builder",
    "network": "INetworkDefinition",
    "config": "IBuilderConfig",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "cache": "ITimingCache",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "inspector": "EngineInspector",
}
# Only these files know TensorRT's objects.
KNOWING = ("bindings.py", "build.py", "builder.py", "callbacks.py", "runner.py")
MODULE_NAMES = {"__version__"}


class Use(NamedTuple):
    """One `receiver.member` in a source, and the call it is part of."""

    where: str
    cls: str
    member: str
    call: ast.Call | None


def uses() -> list[Use]:
    return [use for path in SOURCES if path.name in KNOWING for use in _uses_in(path)]


def _uses_in(path: Path) -> list[Use]:
    found = []
    tree = ast.parse(path.read_text())
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (cls := _class_of(node.value)) is not None:
            found.append(Use(f"{path.name}:{node.lineno}", cls, node.attr, calls.get(id(node))))
    return found


def _class_of(node: ast.expr) -> str | None:
    """Which class of the bindings an expression is, or is of; the module is an empty string."""
    if isinstance(node, ast.Name):
        return RECEIVERS.get(node.id.lstrip("_"))
    if isinstance(node, ast.Attribute):
        if _class_of(node.value) == "":
            return node.attr
        return RECEIVERS.get(node.attr.lstrip("_")) if isinstance(node.value, ast.Name) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _class_of(node.func.value):
        return {"get_timing_cache": "ITimingCache"}.get(node.func.attr)
    return None


def _takes(overload: Overload, call: ast.Call) -> bool:
    """Whether a call's arguments fit: none unknown, none given twice, none missing."""
    named = [keyword.arg for keyword in call.keywords]
    unnamed = len(call.args) - any(isinstance(argument, ast.Name) and argument.id == "self" for argument in call.args)
    given = [*overload["parameters"][:unnamed], *named]
    required = set(overload["parameters"]) - set(overload["optional"])
    return (
        unnamed <= len(overload["parameters"])
        and len(set(given)) == len(given)
        and set(given) <= set(overload["parameters"])
        and required <= set(given)
    )


def complaints(api: Api) -> list[str]:
    """What in the sources the bindings do not have."""
    found = []
    for where, cls, member, call in uses():
        if cls == "":
            known = member in api or member in MODULE_NAMES
            overloads = api.get(member, {}).get("__init__")
        elif cls in MODULE_NAMES:
            continue
        else:
            known = member in api[cls]
            overloads = api[cls].get(member)
        if not known:
            found.append(f"{where}: {cls}.{member} does not exist")
        elif call is not None and not any(_takes(overload, call) for overload in overloads or []):
            found.append(f"{where}: {cls}.{member}({ast.unparse(call)}) does not fit {overloads}")
    return found


@pytest.fixture(scope="session")
def real(bindings: Any) -> Api:
    return api_of(bindings)


@pytest.fixture(scope="session", params=["11.4", "10.12"])
def api(request: pytest.FixtureRequest) -> Api:
    if request.param == "11.4":
        return request.getfixturevalue("real")  # type: ignore[no-any-return]
    return json.loads(LISTED.read_text())  # type: ignore[no-any-return]


def test_everything_used_exists(api: Api) -> None:
    assert complaints(api) == []


def test_every_kind_of_object_is_seen() -> None:
    seen = {use.cls for use in uses()}
    assert seen >= set(RECEIVERS.values()) - {"INetworkDefinition"}  # only handed on
    # Members in which the two versions could differ are among what was looked at.
    members = {(use.cls, use.member) for use in uses()}
    assert {
        ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"),
        ("IBuilderConfig", "set_timing_cache"),
        ("ICudaEngine", "device_memory_size_v2"),
        ("BuilderFlag", "TF32"),
        ("IExecutionContext", "execute_async_v3"),
    } <= members


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("config.set_flag(trt.BuilderFlag.FP16)", "FP16 does not exist"),
        ("config.set_timing_cache(cache)", "does not fit"),
        ("config.set_timing_cache(cache, ignore=False)", "does not fit"),
        ("builder.build_cuda_engine(network)", "does not exist"),
        ("engine.device_memory_size", "does not exist"),
        ("trt.Builder()", "does not fit"),
        ("config.get_timing_cache().write()", "does not exist"),
    ],
)
def test_what_is_gone_or_wrong_would_be_found(
    line: str, complaint: str, real: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "builder.py").write_text(line)
    monkeypatch.setitem(globals(), "SOURCES", [tmp_path / "builder.py"])
    assert complaint in " ".join(complaints(real))


def test_what_is_assigned_can_be(bindings: Any) -> None:
    assigned = [
        (RECEIVERS[node.value.id], node.attr)
        for path in SOURCES
        if path.name in KNOWING
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in RECEIVERS
    ]
    assert len(assigned) == 3
    for cls, name in assigned:
        assert getattr(getattr(bindings, cls), name).fset is not None, (cls, name)


def test_the_fake_is_no_richer_than_the_real_one(api: Api) -> None:
    """Each public method of the fake is one of the real class, and takes the same arguments under the same names."""
    module = fake_tensorrt.fake_tensorrt(Faults())
    classes = {name: cls for name, cls in vars(module).items() if inspect.isclass(cls)}
    assert len(classes) > 15
    for name, cls in classes.items():
        for member, value in vars(cls).items():
            if member.startswith("_") or isinstance(value, type):
                continue
            assert member in api[name], f"{name}.{member}"
            if inspect.isfunction(value):
                parameters = list(inspect.signature(value).parameters)[1:]
                assert any(
                    parameters == overload["parameters"][: len(parameters)]
                    and set(overload["parameters"][len(parameters) :]) <= set(overload["optional"])
                    for overload in api[name][member] or []
                ), f"{name}.{member}({parameters})"
