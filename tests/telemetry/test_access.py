"""Passwords of the HTTP interface: which are accepted, and what the time of a check reveals."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cli import main
from autoscaler.errors import ConfigError
from autoscaler.telemetry import read_access as read
from autoscaler.telemetry import serve
from autoscaler.telemetry.access import Access, cost_of, matches
from tests.telemetry.polls import holding
from tests.telemetry.test_web import HUNG_AFTER_S, PATHS, desk_with

MISSING = (
    "AUTOSCALER_WEB_CONFIG_FILE: the package {name} is required and cannot be imported: "
    "run pip install 'ecs-queue-autoscaler[web]', or remove the setting"
)
SETTINGS = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "20",
    "AUTOSCALER_MODE": "shadow",
}

LONG = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
"""72 bytes."""

PUBLISHED = {
    "allmine": "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga",  # golang.org/x/crypto/bcrypt
    "012345678901234567890123456789012345678901234567890123456": (
        "$2a$10$XajjQvNhvvRt5GSeFk1xFe5l47dONXg781AmZtd869sO8zfsHuw7C"  # golang.org/x/crypto/bcrypt
    ),
    "fakepassword": "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi",  # exporter-toolkit
    "U*U": "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",  # crypt_blowfish
    "U*U*U": "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",  # crypt_blowfish
    f"{LONG}chars after 72 are ignored": "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
}


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), f"$2b${cost:02}$abcdefghijklmnopqrstuu".encode()).decode()


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def file(folder: Path, text: str) -> str:
    path = folder / "web.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


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


async def test_with_users_every_path_except_health_requires_a_password(tmp_path: Path) -> None:
    access = read(file(tmp_path, f"basic_auth_users:\n  ann: {hashed('open sesame')}\n"))
    refused = await statuses(access)
    assert {path: status for path, status in refused.items() if status != 401} == {"/healthz": 200}
    assert set((await statuses(access, Authorization=basic("ann", "open sesame"))).values()) == {200}


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


async def test_a_correct_password_is_hashed_once_and_hashes_run_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, most_running, calls = 0, 0, []

    async def hashing(function: Any, password: Any, *more: Any) -> Any:
        nonlocal running, most_running
        running += 1
        most_running = max(most_running, running)
        calls.append(password)
        await asyncio.sleep(0)
        running -= 1
        return function(password, *more)

    monkeypatch.setattr("autoscaler.telemetry.access.asyncio.to_thread", hashing)
    access = Access(users={"ann": hashed("right")})
    checks = [access.permits("/", basic("ann", word)) for word in ("right", "wrong", "right", "wrong", "right")]
    assert await asyncio.gather(*checks) == [True, False, True, False, True]
    assert (most_running, calls) == (1, ["right", "wrong", "wrong"])


async def test_the_event_loop_continues_during_a_check() -> None:
    access = Access(users={"ann": hashed("right", 11)})
    check, turns = asyncio.create_task(access.permits("/", basic("ann", "wrong"))), 0
    while not check.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert not check.result()
    assert turns > 3


def test_without_a_web_config_file_no_password_is_required() -> None:
    access = read(None)
    assert access.tls is None
    assert asyncio.run(access.permits("/", ""))


# Hashes.


@pytest.mark.parametrize("cost", range(4, 13))
@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_hashes_of_cost_4_to_12_match_their_password_only(tmp_path: Path, version: str, cost: int) -> None:
    made = hashed("open sesame", cost).replace("$2b$", f"${version}$")
    access = read(file(tmp_path, f"basic_auth_users:\n  ann: {made}\n"))
    assert asyncio.run(access.permits("/", basic("ann", "open sesame")))
    assert not asyncio.run(access.permits("/", basic("ann", "open sesamE")))


@pytest.mark.parametrize("password", PUBLISHED, ids=lambda text: text[:12])
def test_published_hashes_match(password: str) -> None:
    made = PUBLISHED[password]
    assert matches(password, made, cost_of(made))
    assert not matches("x" + password, made, cost_of(made))


def test_a_salt_with_unused_bits_is_valid_as_in_go(tmp_path: Path) -> None:
    made = hashed("x").replace("stuu", "stuv")
    assert made[28] == "v"
    access = read(file(tmp_path, f"basic_auth_users:\n  ann: {made}\n"))
    assert asyncio.run(access.permits("/", basic("ann", "x")))
    assert not asyncio.run(access.permits("/", basic("ann", "y")))


def test_only_the_first_72_bytes_of_a_password_count_as_in_prometheus_and_htpasswd() -> None:
    made = hashed(LONG)
    assert matches(LONG, made, 4)
    assert matches(LONG + "x" * 8_000, made, 4)
    assert not matches(LONG[:-1], made, 4)
    assert matches("é" * 40, hashed("é" * 36), 4)  # 72 bytes, not 72 characters


def test_a_password_with_a_nul_never_matches() -> None:
    assert bcrypt.checkpw(b"a\0a", hashed("a").encode())  # bcrypt repeats the password with a NUL at its end
    for password in ("a\0", "a\0a", "\0", LONG + "\0"):
        assert not matches(password, hashed("a"), 4)
        assert not matches(password, hashed(password[:72]), 4)
        assert not matches(password, hashed(""), 4)


# The time of a check, as the number of rounds that bcrypt makes.


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Replace bcrypt, and record the rounds of each call: 2 to the power of its cost."""
    made: list[int] = []

    def check(_password: bytes, hash_: bytes) -> bool:
        made.append(2 ** int(hash_[4:6]))
        return hash_.endswith(b"right")

    def make(_password: bytes, salt: bytes) -> bytes:
        made.append(2 ** int(salt[4:6]))
        return salt

    with monkeypatch.context() as patched:
        patched.setattr(bcrypt, "checkpw", check)
        patched.setattr(bcrypt, "hashpw", make)
        yield made


@pytest.mark.parametrize("costs", [[10], [10, 10], [4, 12], [12, 4, 7, 19], list(range(4, 20))])
async def test_every_check_makes_the_same_number_of_rounds_for_known_and_unknown_users(
    rounds: list[int], costs: list[int]
) -> None:
    users = {f"user{number}": f"$2b${cost:02}$" + "right" for number, cost in enumerate(costs)}
    for name in (*users, "unknown", "", "user00"):
        for password in ("", "x", LONG * 2, "a\0"):
            access = Access(users=users)
            rounds.clear()
            known = name in users and "\0" not in password
            assert await access.permits("/", basic(name, password)) is known
            assert sum(rounds) == 2 ** max(costs), (name, password)


async def test_users_with_the_same_cost_need_one_hash_each(rounds: list[int]) -> None:
    access = Access(users={"ann": "$2b$10$right", "ben": "$2b$10$wrong"})
    for name in ("ann", "ben", "unknown"):
        rounds.clear()
        await access.permits("/", basic(name, "x"))
        assert rounds == [2**10]


@given(st.text())
def test_no_password_is_accepted_for_an_unknown_user(password: str) -> None:
    access = Access(users={"ann": hashed("x")})
    assert not asyncio.run(access.permits("/", basic("ben", password.encode("utf-8", "replace").decode())))


# The extra `web`.


@pytest.mark.parametrize("name", ["bcrypt", "yaml"])
@pytest.mark.parametrize("command", [["run"], ["check"]])
def test_without_the_extra_the_setting_and_the_remedy_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: list[str]
) -> None:
    path = file(tmp_path, f"basic_auth_users:\n  ann: {hashed('x')}\n")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as refused:
        read(path)
    assert str(refused.value) == MISSING.format(name=name)
    answer = commanded(command, path, blocked=name)
    assert answer.returncode == 2
    assert MISSING.format(name=name) in answer.stderr
    assert "Traceback" not in answer.stderr


def commanded(command: list[str], path: str, blocked: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that cannot import the package."""
    program = f"import sys; sys.modules[{blocked!r}] = None; from autoscaler.cli import main; main()"
    environment = SETTINGS | {
        "AUTOSCALER_WEB_CONFIG_FILE": path,
        "AUTOSCALER_HTTP_PORT": "0",
        "AWS_REGION": "eu-west-1",
    }
    return subprocess.run(
        [sys.executable, "-c", program, *command],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_packages_of_the_extra_are_not_imported_without_a_web_config_file() -> None:
    program = (
        "import sys, autoscaler.app, autoscaler.cli; from autoscaler.telemetry import read_access; read_access(None); "
        "sys.exit(bool({'bcrypt', 'yaml'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0


def test_check_reads_the_web_config_file(tmp_path: Path) -> None:
    valid = SETTINGS | {"AUTOSCALER_WEB_CONFIG_FILE": file(tmp_path, f"basic_auth_users:\n  ann: {hashed('x')}\n")}
    assert CliRunner().invoke(main, ["check"], env=valid).exit_code == 0
    file(tmp_path, "basic_auth_users:\n  ann: letmein\n  ben: letmein\n")
    result = CliRunner().invoke(main, ["check", "--json"], env=valid)
    assert result.exit_code == 2
    assert [problem["where"] for problem in json.loads(result.stdout)["problems"]] == [
        "AUTOSCALER_WEB_CONFIG_FILE", "AUTOSCALER_WEB_CONFIG_FILE",
    ]  # fmt: skip
    assert "letmein" not in result.stdout
