"""Formulas: the arithmetic of Python where every signal is known, and no other part of Python."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.core.formula import FUNCTIONS, LARGEST, MOST_CHARACTERS, MOST_DEPTH, MOST_PARTS, Formula, parse

NAMES = ("a", "b", "c")
VALUES = {"a": 0.0, "b": 7.5, "c": -3.0}
REFERENCE = {
    "__builtins__": {},
    "abs": abs,
    "ceil": lambda x: float(math.ceil(x)),
    "clamp": lambda x, low, high: min(max(x, low), high),
    "floor": lambda x: float(math.floor(x)),
    "max": max,
    "min": min,
}
OPERATORS = ("+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or")


def compounds(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Combine valid formulas into larger ones, with and without parentheses, so that precedence is tested too."""
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("(not {})".format),
        inner.map("-({})".format),
        st.tuples(inner, inner, inner).map(lambda parts: "({}) if ({}) else {}".format(*parts)),
        st.tuples(st.sampled_from(["abs", "ceil", "floor"]), inner).map(lambda parts: "{}({})".format(*parts)),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda parts: "{}({}, {})".format(*parts)),
        st.tuples(inner, inner, inner).map(lambda parts: "clamp({}, {}, {})".format(*parts)),
    )


atoms = st.sampled_from([*NAMES, "0", "1", "2", "8", "0.5", "3.", ".1", "1e3", "10.0"])
formulas = st.recursive(atoms, compounds, max_leaves=12)
"""With at most 12 leaves of at most 1,000 each, no value overflows. Another test covers overflow."""

numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 8.0, 1000.0, -0.1]) | st.floats(-1000, 1000)
known = st.fixed_dictionaries(dict.fromkeys(NAMES, numbers))
anything = (
    st.none() | st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, LARGEST, -LARGEST, 5e-324, 10**400])
)
uncertain = st.dictionaries(st.sampled_from([*NAMES, "orders"]), anything)


def value_of(text: str, **values: float | None) -> float | None:
    return parse(text).evaluate(values)


# Values


@settings(max_examples=300)
@given(formulas, known)
def test_with_all_signals_known_the_value_equals_that_of_python(text: str, values: dict[str, float]) -> None:
    try:
        expected = eval(text, dict(REFERENCE), dict(values))
    except ZeroDivisionError:
        expected = None
    assert parse(text).evaluate(values) == expected


@settings(max_examples=300)
@given(formulas, known, st.sets(st.sampled_from(NAMES)))
@example("a and b", {"a": 1.0, "b": 2.0, "c": 0.0}, {"a"})
@example("a < b < c", {"a": 1.0, "b": 2.0, "c": 0.0}, {"c"})
@example("a if b else c", {"a": 1.0, "b": 2.0, "c": 0.0}, {"b"})
def test_a_value_without_a_signal_holds_for_every_value_of_that_signal(
    text: str, values: dict[str, float], missing: set[str]
) -> None:
    partly = parse(text).evaluate({name: None if name in missing else value for name, value in values.items()})
    assert partly is None or partly == parse(text).evaluate(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gone", None),
        ("-gone", None),
        ("not gone", None),
        ("gone + 1", None),
        ("1 + gone", None),
        ("0 * gone", None),
        ("gone < 1", None),
        ("1 < gone", None),
        ("abs(gone)", None),
        ("min(1, gone)", None),
        ("max(gone, 1)", None),
        ("clamp(5, gone, 9)", None),
        ("0 and gone", 0.0),
        ("1 and gone", None),
        ("gone and 0", None),
        ("2 or gone", 2.0),
        ("0 or gone", None),
        ("gone or 2", None),
        ("1 and 0 and gone", 0.0),
        ("0 or 3 or gone", 3.0),
        ("2 < 1 < gone", 0.0),
        ("1 < 2 < gone", None),
        ("gone < 2 < 1", None),
        ("5 if 1 else gone", 5.0),
        ("gone if 0 else 5", 5.0),
        ("gone if 1 else 5", None),
        ("5 if 0 else gone", None),
        ("5 if gone else 5", None),
        ("first(gone, 8)", 8.0),
        ("first(gone, also_gone, 8)", 8.0),
        ("first(0, 8)", 0.0),
        ("first(gone, also_gone)", None),
        ("first(gone + 1, 1 / 0, 8)", 8.0),
        ("1 + first(gone, 8)", 9.0),
    ],
)
def test_a_missing_signal_makes_only_the_results_that_need_it_missing(text: str, expected: float | None) -> None:
    assert value_of(text, gone=None) == expected
    assert value_of(text) == expected  # a signal without a value is missing too


@given(formulas, known)
def test_first_returns_the_first_known_argument_and_evaluates_no_further(text: str, values: dict[str, float]) -> None:
    plain = parse(text).evaluate(values)
    assert parse(f"first({text}, 8)").evaluate(values) == (8.0 if plain is None else plain)
    assert parse(f"first(gone, 8, {text})").evaluate(values) == 8.0


@pytest.mark.parametrize("unusable", [math.nan, math.inf, -math.inf, 10**400, -(10**400), None])
def test_a_signal_that_is_not_a_finite_number_is_missing(unusable: float | None) -> None:
    assert value_of("a", a=unusable) is None
    assert value_of("a > 1 or 5", a=unusable) is None
    assert value_of("first(a, 8)", a=unusable) == 8.0


@pytest.mark.parametrize("text", ["1 / 0", "1 // 0", "1 % 0", "0 / 0", "a * a", "a + a", "-a - a", "a / 0.1"])
def test_a_division_by_zero_or_an_overflow_does_not_vote(text: str) -> None:
    assert value_of(text, a=LARGEST) is None
    assert value_of(f"1 / ({text})", a=LARGEST) is None  # and no result of it votes, although 1 / inf is 0
    assert value_of(f"min({text}, 5)", a=LARGEST) is None
    assert value_of(f"{text} > 1", a=LARGEST) is None


def test_the_largest_numbers_are_valid() -> None:
    assert value_of("a", a=LARGEST) == LARGEST
    assert value_of("a - 1", a=-LARGEST) == -LARGEST
    assert value_of(f"{LARGEST!r}") == LARGEST


def test_every_result_is_a_float() -> None:
    for text in ("2", "a", "2 > 1", "not 2", "ceil(1.5)", "floor(a)", "abs(a)", "max(a, 1)", "first(a, 1)"):
        assert type(value_of(text, a=3)) is float, text


def test_functions_and_operators_compute_what_they_name() -> None:
    assert value_of("ceil(1.2)") == 2
    assert value_of("floor(1.8)") == 1
    assert value_of("abs(-3)") == 3
    assert value_of("min(3, 1, 2)") == 1
    assert value_of("max(3, 5, 2)") == 5
    assert [value_of(f"clamp({x}, 2, 9)") for x in (1, 2, 5, 9, 10)] == [2, 2, 5, 9, 9]
    assert value_of("clamp(5, 9, 2)") == 2, "the upper bound has precedence"
    assert value_of("ceil((orders + 0.5 * bills) / 10) if cpu < 80 else 50", orders=95, bills=20, cpu=79) == 11
    assert [value_of(f"{x} and {y}") for x, y in [(2, 3), (2, 0), (0, 3), (0, 0)]] == [3, 0, 0, 0]
    assert [value_of(f"{x} or {y}") for x, y in [(2, 3), (2, 0), (0, 3), (0, 0)]] == [2, 2, 3, 0]
    assert [value_of(f"{x} < 5 <= {y}") for x, y in [(1, 5), (5, 5), (1, 3)]] == [1, 0, 0]
    assert value_of("-7 // 2") == -4
    assert value_of("-7 % 3") == 2
    assert value_of("2 - 1 - 1") == 0
    assert value_of("1 + 2 * 3") == 7


# Parsing


def test_names_are_the_signals_without_the_functions() -> None:
    assert parse("max(a, first(b2, 3)) if Queue_x > 1 else ceil(a)").names == {"a", "b2", "Queue_x"}
    assert parse("1 + 2").names == frozenset()


def test_a_formula_can_span_several_lines() -> None:
    text = "\n  max(\n\ta,\r\n    b\n  ) +\n 1\n"
    assert value_of(text, a=1, b=2) == 3
    assert "\n" not in parse(text).text


def test_a_text_is_parsed_once_and_formulas_compare_by_their_content() -> None:
    assert parse("a + 1") is parse("a + 1")
    assert parse("a + 1") == parse(" a + 1 ")
    assert parse("a + 1") != parse("a + 2")
    assert "<function" not in repr(parse("a"))


# Refusals

signs = [*OPERATORS, *"()[]{},.:;=!&|~^@#$\\'\"`_", "**", ":=", " ", "\n", "\t", "\x00"]
words = [*NAMES, *FUNCTIONS, "if", "else", "not", "in", "is", "lambda", "for", "await", "yield", "True", "None", "é"]
pieces = st.sampled_from([*signs, *words, "0", "1", "7", "9", "1e999", "0x1", "1_0", "2j"])
scraps = st.lists(pieces, max_size=30).map(" ".join) | st.lists(pieces, max_size=30).map("".join) | st.text()


@given(st.one_of(scraps, formulas), uncertain)
def test_every_text_is_refused_with_a_message_or_is_a_formula_that_never_raises(
    text: str, values: dict[str, float | None]
) -> None:
    outcome = parsed(text)
    if isinstance(outcome, str):
        assert re.match(r"character [1-9]\d*|the formula ", outcome)
        assert outcome.isprintable()
    else:
        result = outcome.evaluate(values)
        assert result is None or (type(result) is float and math.isfinite(result))


def parsed(text: str) -> Formula | str:
    """Return the formula, or the message with which it is refused."""
    try:
        return parse(text)
    except ValueError as refusal:
        return str(refusal)


ESCAPES = [
    "__import__('os').system('id')",
    "().__class__.__bases__[0].__subclasses__()",
    "a.__class__",
    "a.real",
    "1 .real",
    "1..real",
    "(1).__class__",
    "[].__class__",
    "{}.__class__",
    "''.join(a)",
    "f'{a.__class__}'",
    "b'x'",
    "'a' * 3",
    "lambda: 0",
    "(lambda x: x)(1)",
    "[a for a in b]",
    "max(a for a in b)",
    "{a: 1}",
    "{a}",
    "a[0]",
    "a[0:1]",
    "(a := 1)",
    "max(*a, b)",
    "max(**a)",
    "max(a, b, key=c)",
    "max(a, b, **c)",
    "eval(a)",
    "exec(a)",
    "open(a)",
    "getattr(a, b)",
    "globals()",
    "print(a)",
    "pow(2, 3)",
    "max(a, b)(c)",
    "(max)(a, b)(c)",
    "a()",
    "first(max, b)",
    "max",
    "a ** b",
    "9 ** 9 ** 9",
    "a << b",
    "a >> b",
    "a & b",
    "a | b",
    "a ^ b",
    "~a",
    "+a",
    "a @ b",
    "a is b",
    "a is not b",
    "a in b",
    "a not in b",
    "(a, b)",
    "a, b",
    "()",
    "await a",
    "(yield)",
    "(yield a)",
    "(yield from a)",
    "True",
    "False",
    "None",
    "...",
    "2j",
    "0x10",
    "0b1",
    "1_000",
    "1if a else b",
    "a; b",
    "a = 1",
    "a # b",
    "a \\\n + b",
    "import os",
    "__builtins__",
    "_a",
    "ａ",  # a full-width letter, which Python reads as `a`
    "\x00",
    "a \ud800",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_only_the_arithmetic_of_python_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^character [0-9]+[,:] .+") as refused:
        parse(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("node", ["a if c else (yield)", "a + (yield)", "-(a, b)", "first(a, max)", "not (a, b)"])
def test_an_unsupported_part_is_refused_at_every_depth(node: str) -> None:
    with pytest.raises(ValueError):
        parse(node)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_accepts_only_its_number_of_arguments(name: str) -> None:
    function = FUNCTIONS[name]
    for count in range(6):
        text = f"{name}({', '.join(['1'] * count)})"
        if function.least <= count <= (function.most or count):
            assert value_of(text) == 1
        else:
            with pytest.raises(ValueError, match=rf"write {re.escape(function.usage)}"):
                parse(text)
    assert isinstance(parse(function.usage), Formula), "the usage in the message is a valid formula"


KNOWN = "allowed are numbers, names of signals, + - * / // %, comparisons, and, or, not, if, else and functions"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the formula is empty; write one such as ceil(backlog / 10), or leave the setting out"),
        ("  \n", "the formula is empty; write one such as ceil(backlog / 10), or leave the setting out"),
        ("  a = 3", "character 3, `=`: compare with =="),
        ("a + 'b'", "character 5, `'`: strings are not supported; write the name of a signal without quotes"),
        ("a.b", "character 2, `.`: a signal has no attributes; write its name alone, or a number as 0.5"),
        ("a +  !b", "character 6, `!`: write not"),
        ("12kg", "character 1, `1`: write numbers as 12, 0.5 or 1e3, followed by a space or an operator"),
        ("a + sqrt(b)", f"character 5, `sqrt(b)`: only these can be called: {', '.join(FUNCTIONS)}"),
        ("a + min", "character 5, `min`: this is a function; write min(a, b)"),
        ("a + 1e400", "character 5, `1e309`: this number is too large"),
        ("9" * 400, f"character 1, `{'9' * 39}…`: this number is too large"),
        ("a b", "character 3: syntax error; check for a missing operator, comma or parenthesis"),
        ("a \x1b", f"character 3, '\\x1b': {KNOWN}"),
        ("a ** 2", f"character 1, `a ** 2`: {KNOWN}"),
    ],
)
def test_a_refusal_names_the_position_and_the_fix(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value) == sentence


# Size limits


def refused(text: str) -> str:
    with pytest.raises(ValueError) as refusal:
        parse(text)
    return str(refusal.value)


def test_a_formula_has_a_maximum_number_of_characters() -> None:
    assert value_of("a" * MOST_CHARACTERS) is None
    assert "has 1,001 characters" in refused("a" * (MOST_CHARACTERS + 1))


def test_a_formula_has_a_maximum_number_of_parts() -> None:
    def summed(terms: int) -> str:
        return f"max({','.join(['1'] * terms)})"  # two parts more than terms: the call, and the function's name

    assert value_of(summed(MOST_PARTS - 2)) == 1
    assert "has 301 numbers" in refused(summed(MOST_PARTS - 1))


def test_a_formula_has_a_maximum_nesting_depth() -> None:
    assert value_of("-" * (MOST_DEPTH - 1) + "1") == -1
    assert "nested deeper than 32 levels" in refused("-" * MOST_DEPTH + "1")
    assert value_of("1+" * (MOST_DEPTH - 1) + "1") == MOST_DEPTH
    assert "nested deeper than 32 levels" in refused("1+" * MOST_DEPTH + "1")


TOO_DEEP = [
    "-" * 999 + "1",
    "not " * 249 + "1",
    "(" * 499 + "1" + ")" * 499,
    "abs(" * 199 + "1" + ")" * 199,
    "(" * 1000,
    "1 if 1 else " * 80 + "1",
    "1+" * 499 + "1",
    "(a for a in " + "-" * 980 + "1)",
    "max(**" + "-" * 900 + "1)",
]


@pytest.mark.parametrize("text", TOO_DEEP)
def test_a_far_too_deep_nesting_is_refused_too(text: str) -> None:
    assert refused(text)


def test_a_memory_error_of_the_parser_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("autoscaler.core.formula.ast.parse", fail)
    assert "nested deeper" in refused("a + 10101")
