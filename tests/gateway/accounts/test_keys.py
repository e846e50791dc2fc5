"""API keys: only their hash is stored."""

from __future__ import annotations

import stat
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tuft import TuftError
from tuft.errors import OptionError, SetupError
from tuft_gateway.accounts import KeyStore, open_database

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine


def test_a_key_is_recognised_until_it_is_revoked(engine: Engine) -> None:
    store = KeyStore(engine)
    assert not store.exist()
    secret, key = store.add("shop", Decimal("12.5"))
    assert store.exist()
    other, _ = store.add("other")
    assert store.find(secret) == key
    assert key.monthly_credits == Decimal("12.5")
    assert store.find(secret.swapcase()) is None
    assert store.find("") is None
    revoked = store.revoke(key.id)
    assert revoked.revoked_s is not None
    assert store.revoke(key.id) == revoked, "a second time changes nothing"
    assert store.find(secret) is None
    assert store.find(other) is not None
    assert {key.name for key in store.all()} == {"shop", "other"}


def test_the_database_does_not_have_the_key(tmp_path: Path) -> None:
    file = tmp_path / "made" / "gateway.db"
    engine = open_database(f"sqlite:///{file}")
    secret, _ = KeyStore(engine).add("shop")
    engine.dispose()
    for stored in file.parent.iterdir():
        assert secret.encode() not in stored.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "  ", "n" * 201])
def test_a_key_needs_a_name(engine: Engine, name: str) -> None:
    with pytest.raises(OptionError, match="name"):
        KeyStore(engine).add(name)


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "1e30"])
def test_credits_are_an_amount(engine: Engine, amount: str) -> None:
    with pytest.raises(OptionError, match="no amount of credits"):
        KeyStore(engine).add("shop", Decimal(amount))


def test_a_key_that_is_not_there_cannot_be_revoked(engine: Engine) -> None:
    with pytest.raises(OptionError, match="no key abc"):
        KeyStore(engine).revoke("abc")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("nothing", OptionError),
        ("mysql://host/name", OptionError),
        ("sqlite:////proc/none/gateway.db", SetupError),
        ("postgresql://tuft:secret@127.0.0.1:1/none", SetupError),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_sentence(url: str, error: type[TuftError]) -> None:
    with pytest.raises(error) as caught:
        open_database(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
