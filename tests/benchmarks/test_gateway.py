from __future__ import annotations

from collections import Counter

import gateway
import pytest
from _lib.synthetic_photograph import synthetic_photograph


@pytest.mark.slow
def test_every_kind_of_request_is_answered_as_the_client_would() -> None:
    kinds = gateway.kinds()
    result = gateway.soak(len(kinds))
    assert result.different == []
    expected = Counter(str(kind.status or "left") for kind in kinds)
    assert result.statuses == dict(sorted(expected.items()))


@pytest.mark.slow
def test_the_way_over_http_and_the_clients_take_turns() -> None:
    measured = gateway.added(1, synthetic_photograph(0.1)[0])
    assert measured.rounds == 1
    assert measured.added_ms == pytest.approx(measured.gateway_ms - measured.client_ms)
