"""CBOR: our encoder and decoder agree with each other and with the SDK."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeaws.cbor import Stamp, dumps, loads

EDGES = [0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
numbers = st.sampled_from([*EDGES, *(-1 - edge for edge in EDGES)]) | st.integers(-(2**64), 2**64 - 1)
plain = st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | st.text(max_size=300) | st.binary()
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_an_encoded_value_decodes_to_the_same_value(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(st.dictionaries(st.text(), plain.filter(lambda value: value is not None)))
def test_the_sdk_decodes_an_encoded_value(value: Any) -> None:
    parser = RpcV2CBORParser()
    assert parser.parse_data_item(parser.get_peekable_stream_from_bytes(dumps(value))) == value


@given(st.floats(0, 4e9))
def test_a_time_decodes_as_a_time_and_a_number_as_a_number(seconds: Any) -> None:
    assert isinstance(loads(dumps(Stamp(seconds))), Stamp)
    assert not isinstance(loads(dumps(float(seconds))), Stamp)


def test_a_request_of_the_sdk_is_decoded() -> None:
    operation = Session().get_service_model("cloudwatch").operation_model("GetMetricData")
    asked = {"MetricDataQueries": [], "StartTime": datetime(2027, 1, 15, tzinfo=UTC), "EndTime": 1_800_000_060.5}
    body = RpcV2CBORSerializer().serialize_to_request(asked, operation)["body"]
    assert loads(body) == {"MetricDataQueries": [], "StartTime": 1_799_971_200, "EndTime": 1_800_000_060.5}


@pytest.mark.parametrize(
    ("written", "value"),
    [("9f0102ff", [1, 2]), ("bf616101ff", {"a": 1}), ("7f61616162ff", "ab"), ("5f41614162ff", b"ab"), ("f93c00", 1.0)],
)
def test_indefinite_items_and_short_floats_are_decoded(written: str, value: Any) -> None:
    assert loads(bytes.fromhex(written)) == value


def test_nan_is_encoded_as_nan() -> None:
    assert math.isnan(loads(dumps(float("nan"))))


@pytest.mark.parametrize("wrong", ["0000", "1c", "f8ff", "df00ff"])
def test_invalid_cbor_is_refused(wrong: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        loads(bytes.fromhex(wrong))
