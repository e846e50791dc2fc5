"""Adopted models are served as tuft's own are."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from support.adopted import configurations
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tuft import contract
from tuft_export.adopt.configuration import templates_for


@pytest.mark.parametrize("spec", contract.MODELS.values(), ids=lambda spec: spec.name)
def test_at_tufts_own_sizes_the_configurations_are_tufts_own(spec: contract.ModelSpec, target: Path) -> None:
    texts = templates_for(spec.size, target).configurations("another", spec.size, spec.max_batch_size, "dynamic")
    for file, own in configurations(target / spec.name).items():
        own.name = "another"
        own.parameters["tuft_resize"].string_value = "dynamic"
        assert text_format.Parse(texts[file], ModelConfig()) == own


@pytest.mark.parametrize(("size", "like"), [(96, 384), (384, 384), (385, 1024), (1152, 1536), (4096, 2048)])
def test_other_sizes_are_served_like_the_next_larger_one(size: int, like: int, target: Path) -> None:
    templates = templates_for(size, target)
    assert templates.spec == contract.MODELS[like]
    for text in templates.configurations("another", size, 2, "static").values():
        config = text_format.Parse(text, ModelConfig())
        assert list(config.input[0].dims) == [size, size, 3]
        assert list(config.output[0].dims) == [size, size]
        assert all(list(sample.inputs["IMAGE"].dims) == [size, size, 3] for sample in config.model_warmup)
        assert config.name == "another"
