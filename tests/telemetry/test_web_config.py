"""Files in the format of Prometheus' `web.yml`: each is read completely, or each of its problems is reported."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autoscaler.errors import ConfigError
from autoscaler.telemetry import serve
from autoscaler.telemetry.web_config import WebConfig, read_web_config
from autoscaler.telemetry.yaml_file import LARGEST_BYTES
from tests.telemetry.certificates import write_certificate
from tests.telemetry.polls import holding
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with

WHERE = "AUTOSCALER_WEB_CONFIG_FILE"
SECRET = "$2y$04$abcdefghijklmnopqrstuuvBKrq4mmDXZAgiZrQYZfM7UN0ZRzB6y"
"""A hash in bcrypt format, of no known password."""

ARABIC = "\u0660\u0664"
"""04 in other digits, which `\\d` matches."""

NOT_A_HASH = "must be a bcrypt hash of cost 4 to 19 (value not shown), as `htpasswd -nBC 10 USER` prints it"
USERS = f"basic_auth_users:\n  ann: {SECRET}\n"

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read(folder: Path, text: str) -> WebConfig:
    path = folder / "web.yml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return read_web_config(WHERE, str(path))


def problems(folder: Path, text: str) -> list[str]:
    """Return the problems, each with its line: `2: text`."""
    with pytest.raises(ConfigError) as refused:
        read(folder, text)
    assert {problem.where for problem in refused.value.problems} == {WHERE}
    assert all(problem.what.startswith(f"{folder}/web.yml:") for problem in refused.value.problems)
    return [problem.what.removeprefix(f"{folder}/web.yml:") for problem in refused.value.problems]


# Files as the documentation of the exporter toolkit describes them, with all options that have an effect here.

DOCUMENTED = f"""\
---
# TLS and basic authentication of an exporter
tls_server_config:
  cert_file: cert.pem
  key_file: "key.pem"          # relative to this file
  client_auth_type: 'RequireAndVerifyClientCert'
  client_ca_file: cert.pem
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
  prefer_server_cipher_suites: true
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: '1; mode=block'
    Strict-Transport-Security: max-age=31536000; includeSubDomains
basic_auth_users:
  ann: {SECRET}
  "ben": "{SECRET}"
  'it''s me': '{SECRET}'
rate_limit:
  interval: 0s
  burst: 10
...
"""


def test_a_file_with_all_documented_options_is_read(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    config = read(tmp_path, DOCUMENTED)
    assert config.tls is not None
    assert config.users == {"ann": SECRET, "ben": SECRET, "it's me": SECRET}
    assert config.headers == {
        "X-XSS-Protection": "1; mode=block",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    }


SAME = {
    "block": USERS,
    "flow": f"{{basic_auth_users: {{ann: {SECRET}}}}}",
    "flow over lines": f'basic_auth_users: {{\n  "ann":\n    "{SECRET}",\n}}\n',
    "json": json.dumps({"basic_auth_users": {"ann": SECRET}}),
    "quoted": f"\"basic_auth_users\": {{'ann': '{SECRET}'}}\n",
    "escaped": f'basic_auth_users:\n  "\\x61nn": "{SECRET}"\n',
    "literal block": f"basic_auth_users:\n  ann: |-\n    {SECRET}\n",
    "folded block": f"basic_auth_users:\n  ? ann\n  : >-\n    {SECRET}\n",
    "tagged": f"!!map\nbasic_auth_users: !!map {{!!str ann: !!str {SECRET}}}\n",
    "document": f"%YAML 1.1\n---\n{USERS}...\n",
    "byte order mark": f"\ufeff{USERS}",
    "windows": USERS.replace("\n", "\r\n"),
    "comments": f"# a\n\nbasic_auth_users: # b\n# c\n\n  ann:   {SECRET}   # d\n",
    "merged": f"basic_auth_users:\n  <<: {{ann: {SECRET}}}\n",
    "merged twice": f"basic_auth_users:\n  <<: [{{ann: {SECRET}}}, {{ann: other}}]\n",
    "overridden": f"basic_auth_users:\n  <<: {{ann: other}}\n  ann: {SECRET}\n",
    "anchors": f"http_server_config: {{headers: {{X-XSS-Protection: &x '', X-Frame-Options: *x}}}}\n"
    f"basic_auth_users: &x\n  ann: {SECRET}\n",
    "empty sections": f"tls_server_config:\nhttp_server_config: {{}}\nrate_limit: ~\n{USERS}",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_every_notation_of_yaml_has_the_same_meaning(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (None, {"ann": SECRET}, {})


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "{}", "~", "basic_auth_users:\n"])
def test_a_file_without_options_is_valid(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (None, {}, {})


@pytest.mark.parametrize("name", ["007", "1.0", "yes", "true", "2026-01-01", "0x10", "1_000", ".inf"])
def test_a_user_is_named_as_written_even_if_yaml_reads_another_type(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, f"basic_auth_users:\n  {name}: {SECRET}\n").users == {name: SECRET}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":"), max_size=20)


@in_one_folder
@given(st.dictionaries(TEXT, st.just(SECRET)), st.sampled_from([None, True, False]), st.sampled_from([None, '"', "'"]))
def test_users_written_by_a_yaml_library_are_read_back(
    tmp_path: Path, users: dict[str, str], flow: bool | None, style: str | None
) -> None:
    text = yaml.safe_dump({"basic_auth_users": users}, default_flow_style=flow, default_style=style)
    assert read(tmp_path, text).users == users


# Errors.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "http_server_config:\n  http2: true\n  h3: 1\n  headers:\n    Content-Security-Policy: x\n    X-A: b\n"
            '    X-Frame-Options: sameorigin\n    X-XSS-Protection: "a\\r\\nb"\n',
            [
                "2: http_server_config.http2 is not supported: the server has HTTP/1.1 only. "
                "Set it to false, or remove it",
                "3: http_server_config.h3 is not supported: use http2, headers",
                "5: http_server_config.headers.Content-Security-Policy is not supported: "
                "the server sends its own policy",
                "6: http_server_config.headers.X-A is not supported: use X-Content-Type-Options, X-Frame-Options, "
                "Strict-Transport-Security, X-XSS-Protection",
                "7: http_server_config.headers.X-Frame-Options must be deny: the server sends no other value",
                "8: http_server_config.headers.X-XSS-Protection must be printable ASCII on one line",
            ],
        ),
        (
            "rate_limit:\n  interval: 1s\n  burst: 5\n",
            [
                "2: rate_limit.interval is not supported: the server limits connections. "
                "Set it to 0, or remove the section",
            ],
        ),
        (
            f"basic_auth_users:\n  a:b: {SECRET}\n  ann: letmein\n  ben: [x]\n  carl:\n"
            f"  dan: {SECRET.replace('04', '03')}\n  eve: {SECRET.replace('04', '20')}\n  fay: {SECRET}x\n"
            f"  gus: {SECRET.replace('2y', '2x')}\n  ~: {SECRET}\n  [1]: {SECRET}\n"
            f"  hal: {SECRET.replace('04', ARABIC)}\n",
            [
                "2: basic_auth_users.a:b must not contain a colon",
                f"3: basic_auth_users.ann {NOT_A_HASH}",
                f"4: basic_auth_users.ben {NOT_A_HASH}",
                "4: basic_auth_users.ben must be a text",
                f"5: basic_auth_users.carl {NOT_A_HASH}",
                f"6: basic_auth_users.dan {NOT_A_HASH}",
                f"7: basic_auth_users.eve {NOT_A_HASH}",
                f"8: basic_auth_users.fay {NOT_A_HASH}",
                f"9: basic_auth_users.gus {NOT_A_HASH}",
                "10: a name in basic_auth_users must be a text",
                "11: a name in basic_auth_users must be a text",
                f"12: basic_auth_users.hal {NOT_A_HASH}",
            ],
        ),
        (
            "basic_auth_excluded_paths: [/-/healthy]\nTLS_SERVER_CONFIG: x\nhttp_server_config: 1\nrate_limit: [2]\n",
            [
                "1: basic_auth_excluded_paths is not supported: "
                "use tls_server_config, basic_auth_users, http_server_config, rate_limit",
                "2: TLS_SERVER_CONFIG is not supported: "
                "use tls_server_config, basic_auth_users, http_server_config, rate_limit",
                "3: http_server_config must be a mapping, as in `name: value`",
                "4: rate_limit must be a mapping, as in `name: value`",
            ],
        ),
        ("http_server_config: {http2: 1}", ["1: http_server_config.http2 must be true or false"]),
        ("- basic_auth_users\n", ["1: the file must be a mapping, as in `name: value`"]),
        ("basic_auth_users\n", ["1: the file must be a mapping, as in `name: value`"]),
        ("rate_limit:\nrate_limit:\n", ["2: rate_limit is already set in line 1"]),
        (
            f"basic_auth_users:\n  ann: {SECRET}\n  ben: {SECRET}\n  'ann': {SECRET}\n",
            ["4: basic_auth_users.ann is already set in line 2"],
        ),
        (f"basic_auth_users:\n  <<: {SECRET}\n", ["2: basic_auth_users must be a mapping, as in `name: value`"]),
        ("basic_auth_users: !env x\n", ["1: basic_auth_users must be a mapping, as in `name: value`"]),
    ],
)  # fmt: skip
def test_all_problems_are_reported_by_line_and_name(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert problems(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b\n\tc: d\n", "2: not valid YAML: while scanning for the next token, "
         "found character '\\t' that cannot start any token"),
        ("a: 'b\n", "2: not valid YAML: while scanning a quoted scalar, found unexpected end of stream"),
        ("a:\n  - b: c: d\n", "2: not valid YAML: mapping values are not allowed here"),
        ("a: *nothing\n", "1: not valid YAML: found undefined alias (name not shown)"),
        ("a: 1\n---\nb: 2\n", "2: not valid YAML: expected a single document in the stream, "
         "but found another document"),
        ("a: 1\nb: \x07\n", "2: not valid YAML: a control character is not permitted"),
        ('a: "\\UFFFFFFFF"\n', "1: not valid YAML: a number is too large"),
        (f"%YAML {'9' * 5_000}.1\n---\n", "1: not valid YAML: a number is too large"),
        ("a:\n  " + "[" * 500, "2: not valid YAML: more than 16 levels of nesting"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_yaml_is_reported_with_the_line(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "cannot be read: No such file or directory"), (b"\xff", "is not UTF-8"),
     (b"#" * (LARGEST_BYTES + 1), "is larger than 65,536 bytes: is it the right file?")],
)  # fmt: skip
def test_an_unreadable_file_is_reported(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "web.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_web_config(WHERE, str(path))
    assert str(refused.value) == f"{WHERE}: {path} {expected}"


def test_aliases_of_aliases_take_linear_time(tmp_path: Path) -> None:
    levels = "".join(f"  - &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 1_000))
    text = f"rate_limit:\n  - &a0 {{ann: {SECRET}}}\n{levels}basic_auth_users: *a999\n"
    assert problems(tmp_path, text) == ["2: rate_limit must be a mapping, as in `name: value`"]


def test_a_mapping_that_merges_itself_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, f"basic_auth_users: &a\n  ann: {SECRET}\n  <<: *a\n").users == {"ann": SECRET}


TEMPLATES = (
    USERS, DOCUMENTED, f"{SECRET}: ann\n", f"basic_auth_users:\n  {SECRET}: ann\n", f"basic_auth_users: {SECRET}\n",
    f"rate_limit: {{interval: {SECRET}}}\n", f"basic_auth_users: {{ann: *{SECRET[7:]}}}\n", f"!{SECRET[7:]} x\n",
    f"tls_server_config: {{cert_file: {SECRET}, key_file: 'a\nb', min_version: {SECRET}, cipher_suites: [{SECRET}]}}\n",
    f"http_server_config: {{http2: {SECRET}, headers: {{X-Frame-Options: {SECRET}, {SECRET}: x}}}}\n",
    f"basic_auth_users:\n  &{SECRET[7:]} a: &{SECRET[7:]} {SECRET}\n  ann: {SECRET}x\n",
)  # fmt: skip


@in_one_folder
@given(
    st.sampled_from(TEMPLATES),
    st.integers(0, 2_000),
    st.integers(0, 3),
    st.text(max_size=3) | st.sampled_from("\t\n '\"[{:&*!%|>-?,#"),
)
@example(TEMPLATES[0], 0, 0, "")
def test_no_message_contains_a_hash_whatever_is_changed_in_the_file(
    tmp_path: Path, text: str, at: int, removed: int, inserted: str
) -> None:
    try:
        read(tmp_path, text[:at] + inserted + text[at + removed :])
    except ConfigError as error:
        shown = str(error).replace(str(tmp_path), "")
        assert all(SECRET[start : start + 8] not in shown for start in range(len(SECRET) - 8)), shown


@in_one_folder
@given(st.text() | st.text("ab:-[]{}&*!|>'\"%@`,?# \n\t<~1", max_size=60))
def test_any_text_is_read_or_is_a_config_error(tmp_path: Path, text: str) -> None:
    with suppress(ConfigError):
        read(tmp_path, text)


# Headers.


async def test_configured_headers_are_in_every_response_next_to_those_of_the_server(tmp_path: Path) -> None:
    from autoscaler.telemetry.access import Access

    text = "{http_server_config: {headers: {Strict-Transport-Security: max-age=60, X-XSS-Protection: ''}}}"
    desk, access = desk_with(holding()), Access(*read(tmp_path, text))
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, access=access) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        for path in ("/", "/metrics", "/healthz", "/nothing"):
            async with session.get(path) as response:
                assert response.headers["Strict-Transport-Security"] == "max-age=60"
                assert response.headers["X-Frame-Options"] == "DENY"
                assert "X-XSS-Protection" not in response.headers
