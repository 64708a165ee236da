"""TLS and passwords, configured in the format of the Prometheus web configuration file."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from autoscaler.errors import ConfigError
from autoscaler.telemetry import bcrypt, serve
from autoscaler.telemetry import read_access as read
from autoscaler.telemetry.access import UNKNOWN_USER_HASH, Access
from tests.telemetry.polls import holding
from tests.telemetry.test_web import HUNG_AFTER_S, PATHS, desk_with

SECRET = "$2y$04$abcdefghijklmnopqrstuuvBKrq4mmDXZAgiZrQYZfM7UN0ZRzB6y"
"""A hash in bcrypt format, of no known password."""

needs_bcrypt = pytest.mark.skipif(not bcrypt.is_there(), reason="this system's libcrypt does not support bcrypt")


def hashed(password: str) -> str:
    crypt = bcrypt._crypt()
    assert crypt is not None
    made = crypt(password.encode(), b"$2y$04$abcdefghijklmnopqrstuu")
    assert made is not None
    return made.decode()


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def file(folder: Path, text: str) -> str:
    path = folder / "web.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(file(folder, text))
    assert {problem.where for problem in refused.value.problems} == {"AUTOSCALER_WEB_CONFIG_FILE"}
    return [problem.what.partition("web.yml: ")[2] for problem in refused.value.problems]


def write_certificate(folder: Path) -> Path:
    """Write a self-signed certificate for localhost and its key, and return the path of the certificate."""
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem"


async def statuses(access: Access, **headers: str) -> dict[str, int]:
    desk = desk_with(holding())
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, access=access) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(20)) as session,
    ):
        return {path: (await _status(session, path, headers)) for path in PATHS}


async def _status(session: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> int:
    async with session.get(path, headers=headers) as response:
        assert ("WWW-Authenticate" in response.headers) is (response.status == 401)
        assert "Content-Security-Policy" in response.headers
        return response.status


@needs_bcrypt
async def test_with_users_every_path_except_health_requires_a_password(tmp_path: Path) -> None:
    access = read(file(tmp_path, f"basic_auth_users:\n  ann: {hashed('open sesame')}\n"))
    refused = await statuses(access)
    assert {path: status for path, status in refused.items() if status != 401} == {"/healthz": 200}
    assert set((await statuses(access, Authorization=basic("ann", "open sesame"))).values()) == {200}


@needs_bcrypt
@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !!", "Basic YW5u", "Bearer x", "Basic /////w==", basic("ann", ""), basic("ann", "x"),
     basic("ben", "open sesame"), basic("ann", "open sesame\0"), basic("", ""), basic("Ann", "open sesame")],
)  # fmt: skip
async def test_a_wrong_password_is_refused_also_after_a_correct_one(authorization: str) -> None:
    access = Access(users={"ann": hashed("open sesame")})
    assert await access.permits("/", basic("ann", "open sesame"))
    assert not await access.permits("/", authorization)
    assert await access.permits("/", basic("ann", "open sesame"))


@needs_bcrypt
async def test_a_correct_password_is_hashed_once_and_hashes_run_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, most_running, calls = 0, 0, []

    async def hashing(function: Any, password: Any, hash_: Any) -> Any:
        nonlocal running, most_running
        running += 1
        most_running = max(most_running, running)
        calls.append(password)
        await asyncio.sleep(0)
        running -= 1
        return function(password, hash_)

    monkeypatch.setattr("autoscaler.telemetry.access.asyncio.to_thread", hashing)
    access = Access(users={"ann": hashed("right")})
    checks = [access.permits("/", basic("ann", word)) for word in ("right", "wrong", "right", "wrong", "right")]
    assert await asyncio.gather(*checks) == [True, False, True, False, True]
    assert (most_running, calls) == (1, ["right", "wrong", "wrong"])


@needs_bcrypt
def test_the_hash_for_unknown_users_is_valid_and_does_not_match_an_empty_password() -> None:
    assert bcrypt.HASH.fullmatch(UNKNOWN_USER_HASH)
    assert not bcrypt.matches("", UNKNOWN_USER_HASH)


async def test_with_tls_the_page_is_served_and_plain_http_and_old_versions_are_refused(tmp_path: Path) -> None:
    trusted = ssl.create_default_context(cafile=write_certificate(tmp_path))
    text = "tls_server_config:\n  cert_file: cert.pem # same directory\n  key_file: 'key.pem'\n  min_version: TLS13\n"
    access = read(file(tmp_path, text))
    assert access.tls is not None
    assert access.tls.minimum_version is ssl.TLSVersion.TLSv1_3
    desk = desk_with(holding())
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, access=access) as port,
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(20), connector=aiohttp.TCPConnector(force_close=True)
        ) as session,
    ):
        for _ in range(2):
            async with session.get(f"https://127.0.0.1:{port}/", ssl=trusted, server_hostname="localhost") as response:
                assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{port}/")
        trusted.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://127.0.0.1:{port}/", ssl=trusted, server_hostname="localhost")


def test_without_a_web_config_file_no_password_is_required() -> None:
    access = read(None)
    assert access.tls is None
    assert asyncio.run(access.permits("/", ""))


@needs_bcrypt
def test_a_web_config_file_may_have_quotes_and_comments(tmp_path: Path) -> None:
    right = hashed("x")
    text = f"""---
# who may read

basic_auth_users: # all of them
  'it''s me': {right}   # me
  "b\\u00e9a": "{right}"
"""
    access = read(file(tmp_path, text))
    assert asyncio.run(access.permits("/", basic("it's me", "x")))
    assert asyncio.run(access.permits("/", basic("béa", "x")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls_server_config:\n  cert_file: a\n", ["tls_server_config.key_file is missing"]),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: TLS10\n  client_ca_file: c\n",
            [
                "tls_server_config.client_ca_file is not supported: use cert_file, key_file, min_version",
                "tls_server_config.min_version must be one of TLS12, TLS13",
            ],
        ),
        (
            "http_server_config:\n  http2: true\n",
            ["http_server_config is not supported: use tls_server_config and basic_auth_users"],
        ),
        (
            "basic_auth_users:\n  ann: letmein\n",
            ["basic_auth_users.ann must be a bcrypt hash (value not shown), as `htpasswd -nBC 10 USER` prints it"],
        ),
    ],
)  # fmt: skip
def test_each_wrong_setting_is_reported_by_name_without_its_value(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    assert problems(tmp_path, text) == expected


@pytest.mark.parametrize(
    "line",
    ["basic_auth_users", "  ann: x", "a: b", "a:\n  - b", "a:\n  b: [c]", "a:\n  b: &x c", "a:\n  b:", "a: {b: c}",
     "a:\n  b: |\n    c", "a:\n\tb: c", "a:\n  b: c: d\n", "a:\na:\n", "{"],
)  # fmt: skip
def test_a_line_with_unsupported_syntax_is_reported(tmp_path: Path, line: str) -> None:
    assert any("expected `section:`" in problem for problem in problems(tmp_path, line))


@pytest.mark.parametrize("content", [None, b"\xff", b"#" * 70_000], ids=["none", "not text", "too long"])
def test_an_unreadable_web_config_file_is_named_in_the_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "web.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"web\.yml"):
        read(str(path))


def test_an_invalid_certificate_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no")
    (tmp_path / "key.pem").write_text("no")
    (problem,) = problems(tmp_path, "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n")
    assert problem.startswith("tls_server_config: ")
    assert "cert.pem" in problem


def test_without_bcrypt_on_the_system_no_password_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcrypt, "_crypt", lambda: None)
    assert "libxcrypt" in problems(tmp_path, f"basic_auth_users:\n  ann: {SECRET}\n")[0]
    assert not bcrypt.matches("x", SECRET)
