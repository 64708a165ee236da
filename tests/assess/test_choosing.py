"""Which queue a service seems to use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.assess.choosing import choose
from autoscaler.config.addresses import queue
from tests.assess.world import url


def chosen(tags: dict[str, str] | None = None, /, **variables: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of the chosen queues, and the others."""
    found = choose((), tags or {}, variables.items())
    return found.name, found.others


def test_a_given_queue_comes_first_then_the_tag_then_the_environment() -> None:
    tags, variables = {"autoscaler:queues": "tagged second"}, {"QUEUE_URL": url("named")}
    given_queue = (queue("given"),)
    assert choose(given_queue, tags, variables.items()).queues == given_queue
    assert chosen(tags, **variables) == ("tagged, second", ())
    assert choose((), tags, ()).why == "the tag autoscaler:queues"
    assert chosen(**variables) == ("named", ())
    assert choose((), {}, variables.items()).why == "the variable QUEUE_URL of its task definition"
    assert chosen() == ("", ())


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("ORDERS_QUEUE_URL", url("orders"), "orders"),
        ("WORK", url("orders"), "orders"),  # the URL alone is enough
        ("SOURCE", "arn:aws:sqs:eu-west-1:123456789012:orders.fifo", "orders.fifo"),
        ("SQS_QUEUE_NAME", "orders", "orders"),
        ("QUEUE", " orders ", "orders"),
        ("QUEUE_URL", "http://localhost:4566/000000000000/orders", "orders"),
        ("DATABASE_URL", "postgres://db/shop", ""),
        ("SENTRY_URL", "https://key@sentry.io/42", ""),
        (
            "SENTRY_URL",
            "https://sentry.eu-west-1.example.com/42",
            "42",
        ),  # a Region in its host: reported, to be checked
        ("TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:orders", ""),
        ("QUEUE_CONNECTION", "sqs", ""),
        ("QUEUE_SIZE", "100", ""),
        ("QUEUE_ENABLED", "true", ""),
        ("SQS_REGION", "eu-west-1", ""),
        ("SQS_ENDPOINT", "https://sqs.eu-west-1.amazonaws.com", ""),
        ("QUEUE", "not a name", ""),
        ("QUEUE", "", ""),
        ("ORDERS_DLQ_URL", url("orders"), ""),
        ("QUEUE_URL", url("orders-dead-letter"), ""),
        ("QUEUE_URL", url("orders-dlq"), ""),
    ],
)
def test_a_variable_names_a_queue_by_its_value_or_by_its_name(name: str, value: str, found: str) -> None:
    assert chosen(**{name: value})[0] == found


def test_an_output_comes_after_an_input_and_is_reported() -> None:
    assert chosen(OUTPUT_QUEUE_URL=url("invoices"), QUEUE_URL=url("orders")) == ("orders", ("invoices",))
    assert chosen(A_QUEUE_URL=url("orders-results"), B_QUEUE_URL=url("orders")) == ("orders", ("orders-results",))
    assert chosen(OUTPUT_QUEUE_URL=url("invoices")) == ("invoices", ())


def test_an_address_is_stronger_evidence_than_a_name_and_the_same_queue_is_no_other_one() -> None:
    assert chosen(QUEUE_NAME="first", QUEUE_URL=url("second")) == ("second", ("first",))
    assert chosen(QUEUE_NAME="orders", QUEUE_URL=url("orders")) == ("orders", ())


def test_a_queue_that_is_given_or_tagged_by_name_and_by_url_is_one_queue() -> None:
    both = (queue("orders"), queue("more"), queue(url("orders")))
    assert choose(both, {}, ()).queues == both[:2]
    assert choose((), {"autoscaler:queues": f"orders more {url('orders')}"}, ()).queues == both[:2]


def test_the_account_and_the_region_of_an_address_are_known() -> None:
    [found] = choose((), {}, [("QUEUE_URL", url("orders"))]).queues
    assert (found.account, found.region) == ("123456789012", "eu-west-1")


@given(
    tags=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=3),
    variables=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=80)), max_size=5),
)
def test_any_tags_and_variables_are_read(tags: dict[str, str], variables: list[tuple[str, str]]) -> None:
    choose((), tags, variables)
    choose((), {"autoscaler:queues": next(iter(tags.values()), "")}, variables)
