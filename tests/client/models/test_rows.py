"""The rows of known models: whole, consistent, and in the words that `tuft-export adopt` takes."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from urllib.parse import urlsplit

import pytest

from tuft.errors import OptionError
from tuft.models import ACTIVATIONS, MODELS, Download, KnownModel, NotExported, OwnCheckpoint, model_from_name
from tuft.presets import RESIZES
from tuft_export.adopt import NORMALISATIONS, AdoptOptions
from tuft_export.checkpoints import CHECKPOINTS

# What rembg's users type: the names of its sessions for any picture (rembg 2.0.7x, rembg/sessions).
OF_REMBG = (
    "birefnet-cod", "birefnet-dis", "birefnet-general", "birefnet-general-lite", "birefnet-hrsod", "birefnet-massive",
    "birefnet-portrait", "bria-rmbg", "isnet-anime", "isnet-general-use", "silueta", "u2net", "u2net_human_seg",
    "u2netp",
)  # fmt: skip
FACTS = {"file", "hash", "input", "output", "licence"}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_row_states_every_fact_with_its_source(model: KnownModel) -> None:
    assert set(model.sources) == FACTS
    assert all(len(source) > 3 for source in model.sources.values())
    assert model.task
    assert model.licence.name
    assert model.normalize in NORMALISATIONS
    assert model.activation in ACTIVATIONS
    assert model.resize in RESIZES
    with pytest.raises(FrozenInstanceError):
        model.size = 1  # type: ignore[misc]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_addresses_and_hashes_have_their_form(model: KnownModel) -> None:
    address = urlsplit(model.origin.url)
    assert address.scheme == "https"
    assert address.hostname in {"github.com", "huggingface.co", "www.npmjs.com"}
    for algorithm, digits in (("md5", 32), ("sha256", 64)):
        value = getattr(model.origin, algorithm, None)
        assert value is None or re.fullmatch(rf"[0-9a-f]{{{digits}}}", value)
    if isinstance(model.origin, Download):
        assert model.published_hash is not None


@pytest.mark.parametrize("model", [m for m in MODELS.values() if not isinstance(m.origin, OwnCheckpoint)], ids=str)
def test_a_row_can_be_adopted_under_its_name(model: KnownModel) -> None:
    AdoptOptions(model.name, model.normalize, model.activation, output=model.output, resize=model.resize)


def test_no_two_rows_have_one_file() -> None:
    files = [(m.origin.url, getattr(m.origin, "entry", "")) for m in MODELS.values()]
    assert len(set(files)) == len(files)


def test_checkpoints_are_those_of_the_exporter() -> None:
    for model in MODELS.values():
        if isinstance(model.origin, OwnCheckpoint):
            checkpoint = CHECKPOINTS[model.origin.name]
            assert (checkpoint.url, checkpoint.md5) == (model.origin.url, model.origin.md5)
            assert checkpoint.config is not None
            assert checkpoint.config.base_size == model.size


def test_names_that_rembgs_users_type_are_known() -> None:
    assert [name for name in OF_REMBG if not model_from_name(name)] == []


def test_licences_that_forbid_commercial_use_say_so() -> None:
    forbidding = {model.name for model in MODELS.values() if not model.licence.is_commercial}
    assert forbidding == {"rmbg-1.4", "rmbg-2.0"}
    assert all("not for commercial use" in MODELS[name].licence.terms for name in forbidding)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"There is no model 'birefnett': did you mean birefnet-\S+\?"):
        model_from_name("birefnett")
    with pytest.raises(OptionError, match=r"There is no model 'zzz': `tuft models list` shows all\."):
        model_from_name("zzz")


def test_a_checkpoint_without_a_graph_names_its_exporter() -> None:
    origin = MODELS["birefnet-dynamic"].origin
    assert isinstance(origin, NotExported)
    assert origin.url.endswith(".pth")
