"""Inputs that are almost valid: valid parts, mutated, and texts on which a parser can become slow."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Leaf, leaves
from autoscaler.config.names import FIELDS, GLOBALS
from tests.config.samples import toml, two_of

LEAVES = [leaf for group in (GlobalFields, ServiceFields) for leaf in leaves(group) if leaf.path != ("config_file",)]
NAMES = [name for name in (*GLOBALS, *FIELDS) if name != "CONFIG_FILE"]
QUEUES = [
    "orders",
    "orders.fifo",
    "orders=5m",
    "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    "https://vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com/123456789012/orders",
    "http://[::1]:4566/000000000000/orders",
    "arn:aws-eusc:sqs:eusc-de-east-1:123456789012:orders",
    '[{"name": "orders", "acceptable_latency": "5m"}]',
]
WORDS = [
    *QUEUES,
    "90s",
    "1d12h",
    "none",
    "true",
    "active",
    "5",
    "60.5",
    "1e9",
    "all",
    "max(visible / 50, first(lag, 0) / 10)",
    "arn:aws-cn:iam::123456789012:role/team/autoscaler",
    '{"day": {"cron": "0 8 * * MON-FRI", "until": "18:00", "timezone": "Europe/Berlin", "min_tasks": 5}}',
    '{"lag": {"prometheus": "http://p:9090", "query": "lag", "target_value": 5}}',
    '{"db": {"most": 90, "per_task": {"s": 1}}}',
    '[{"tasks": 4, "per": "60s"}, {"percent": 50, "per": "1m"}]',
]
PIECES = [
    "=",
    "[",
    "{",
    '"',
    "'",
    ":",
    ",",
    ".",
    "__",
    "-",
    "/",
    "://",
    "@",
    "%",
    "\\",
    "\n",
    "\t",
    "\0",
    "٣",
    "ß",
    "\ud800",
    "$",
    "#",
]
UNITS = ["1h", "a-", "!/", "((", "[[", '{"a":', "1+", "* ", "a.", "=", " ", "9", "é", "\\u0000", "a,b ", "arn:", "- - "]


def long(most: int = 20_000) -> st.SearchStrategy[str]:
    """Yield a short text, repeated."""
    return st.builds(
        lambda unit, times, end: unit * times + end, st.sampled_from(UNITS), st.integers(1, most // 4), texts
    )


def many(most: int = 3_000) -> st.SearchStrategy[str]:
    """Yield a list or table of many different names, some of them twice."""
    forms = ["q{},", '"q{}": 1, ', "q{}=5m,", "[services.q{}]\n", "q{} = 1\n", "q{}:\n  a: 1\n", "q{} + "]

    def text(form: str, number: int, last: int, wrapped: str) -> str:
        return wrapped.format("".join(form.format(each) for each in (*range(number), last)).rstrip(", +"))

    wraps = st.sampled_from(["{}", "[{}]", "{{{}}}", '{{"day": {{{}}}}}', "queues = [{}]"])
    return st.builds(text, st.sampled_from(forms), st.integers(1, most), st.integers(0, most), wraps)


texts = st.text(max_size=30) | st.sampled_from(WORDS)


@st.composite
def mutated(draw: Any, valid: st.SearchStrategy[str]) -> str:
    """Yield a valid text with up to four pieces removed, repeated, replaced or inserted."""
    text: str = draw(valid)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, max(0, len(text))))
        end = start + draw(st.integers(0, 12))
        piece = draw(st.sampled_from([*PIECES, *WORDS, text[start:end] * 2, ""]))
        text = text[:start] + piece + text[end if draw(st.booleans()) else start :]
    return text


values = mutated(st.sampled_from(WORDS)) | texts | long() | many()


def leaf_value(leaf: Leaf) -> st.SearchStrategy[Any]:
    """Yield a valid value of the setting, or one of another setting."""
    return st.sampled_from(list(two_of(leaf))) | st.sampled_from(LEAVES).map(lambda other: two_of(other)[0])


@st.composite
def setting_lines(draw: Any) -> str:
    """Yield a settings file with valid and misplaced settings in all kinds of tables."""
    lines = list[str]()
    for _ in range(draw(st.integers(0, 5))):
        lines.append(draw(st.sampled_from(["", "[defaults]", "[services.a]", "[services.b]", "[profiles.p]", "[x]"])))
        for leaf in draw(st.lists(st.sampled_from(LEAVES), max_size=5)):
            lines.append(f"{'.'.join(leaf.path)} = {toml(draw(leaf_value(leaf)))}")
    return "\n".join(lines)
