"""Passwords of the HTTP interface: which are accepted, and what the time of a check reveals."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
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
from autoscaler.telemetry import access as access_module
from autoscaler.telemetry import read_access as read
from autoscaler.telemetry import serve
from autoscaler.telemetry.access import Access, Denial, cost_of, matches
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


async def permits(access: Access, path: str, authorization: str) -> bool:
    return await access.denial(path, authorization) is None


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
    assert await permits(access, "/", basic("ann", "open sesame"))
    assert not await permits(access, "/", authorization)
    assert await permits(access, "/", basic("ann", "open sesame"))


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
    words = ("right", "wrong", "right", "wrong", "right")
    for _ in range(2):
        checks = [permits(access, "/", basic("ann", word)) for word in words]
        assert await asyncio.gather(*checks) == [True, False, True, False, True]
    assert (most_running, calls) == (1, ["right", "wrong", "wrong"]), "equal ones at the same time are hashed once"


async def test_the_event_loop_continues_during_a_check() -> None:
    access = Access(users={"ann": hashed("right", 11)})
    check, turns = asyncio.create_task(permits(access, "/", basic("ann", "wrong"))), 0
    while not check.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert not check.result()
    assert turns > 3


# Guessed passwords. `held` replaces the hash, so that no test depends on the time of one.


class HeldHashes:
    """The hash of "right" matches. Each hash waits until `release`."""

    def __init__(self) -> None:
        self.passwords: list[str] = []
        self._released = threading.Event()

    def __call__(self, password: str, _hashed: str, _highest: int) -> bool:
        self.passwords.append(password)
        assert self._released.wait(20)
        return password == "right"

    def release(self) -> None:
        self._released.set()

    def hold(self) -> None:
        self._released.clear()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldHashes]:
    hashes = HeldHashes()
    monkeypatch.setattr(access_module, "matches", hashes)
    yield hashes
    hashes.release()


def guesses(access: Access, count: int, address: str = "10.0.0.9") -> list[asyncio.Task[Denial | None]]:
    return [asyncio.create_task(access.denial("/", basic("ann", f"guess {n}"), address)) for n in range(count)]


async def test_a_verified_user_does_not_wait_for_guessed_passwords(held: HeldHashes) -> None:
    held.release()
    access = Access(users={"ann": hashed("x"), "ben": hashed("x")})
    assert await access.denial("/", basic("ann", "right"), "10.0.0.1") is None
    held.hold()
    guessing = guesses(access, 50)
    for address in ("10.0.0.1", "10.0.0.9"):  # also from the address of the others, as behind a proxy
        async with asyncio.timeout(20):
            assert await access.denial("/", basic("ann", "right"), address) is None
    held.release()
    await asyncio.gather(*guessing)
    assert held.passwords.count("right") == 1


async def test_of_one_address_two_passwords_are_checked_at_a_time_and_the_others_get_429(held: HeldHashes) -> None:
    access = Access(users={"ann": hashed("x")})
    guessing = guesses(access, 50)
    other = asyncio.create_task(access.denial("/", basic("ann", "right"), "10.0.0.1"))
    refused, _ = await asyncio.wait(guessing, return_when=asyncio.FIRST_COMPLETED)
    assert len(refused) == 50 - access_module.MOST_CHECKS_PER_ADDRESS
    assert {_shown(task.result()) for task in refused} == {(429, "1")}
    held.release()
    assert await other is None, "another address is not affected"
    assert [_shown(await task) for task in guessing if task not in refused] == [(401, None)] * 2


async def test_the_queue_of_checks_is_bounded_for_any_number_of_addresses(held: HeldHashes) -> None:
    access, most = Access(users={"ann": hashed("x")}), access_module.MOST_CHECKS
    guessing = [
        asyncio.create_task(access.denial("/", basic(f"user {n}", "guess"), f"10.0.0.{n}")) for n in range(2 * most)
    ]
    refused, _ = await asyncio.wait(guessing, return_when=asyncio.FIRST_COMPLETED)
    assert {_shown(task.result()) for task in refused} == {(503, "1")}
    held.release()
    await asyncio.gather(*guessing)
    assert len(held.passwords) == most, "one check for each place in the queue"


async def test_a_password_that_waits_too_long_for_its_check_gets_503(
    held: HeldHashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "CHECK_WAIT_S", 0.05)
    access = Access(users={"ann": hashed("x")})
    first, second = guesses(access, 2)
    assert _shown(await second) == (503, "1")
    held.release()
    assert _shown(await first) == (401, None)
    assert held.passwords == ["guess 0"]


async def test_an_address_with_many_wrong_passwords_waits_and_others_do_not(
    held: HeldHashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.release()
    monkeypatch.setattr(access_module, "WRONG_S", 1_000.0)
    access = Access(users={"ann": hashed("x"), "ben": hashed("x")})
    for _ in range(access_module.MOST_WRONG):
        assert _shown(await access.denial("/", basic("ann", "wrong"), "10.0.0.9")) == (401, None)
    refused = await access.denial("/", basic("ann", "right"), "10.0.0.9")
    assert refused is not None
    assert refused.status == 429
    assert 900 < int(refused.headers["Retry-After"]) <= 1_000
    assert len(held.passwords) == access_module.MOST_WRONG
    assert await access.denial("/", basic("ann", "right"), "10.0.0.1") is None
    assert await access.denial("/", basic("ann", "right"), "10.0.0.9") is None, "it is verified by now"
    monkeypatch.setattr(access_module, "WRONG_S", 1e-9)
    assert await access.denial("/", basic("ben", "right"), "10.0.0.9") is None


async def test_the_counts_of_wrong_passwords_are_bounded() -> None:
    wrong = access_module.WrongPasswords()
    for number in range(2 * access_module.MOST_ADDRESSES):
        wrong.add(f"10.0.{number // 256}.{number % 256}")
    assert len(wrong._counts) == access_module.MOST_ADDRESSES


async def test_a_check_whose_client_is_gone_leaves_no_one_waiting(held: HeldHashes) -> None:
    access = Access(users={"ann": hashed("x")})
    (first,) = guesses(access, 1)
    await asyncio.sleep(0)
    (same,) = guesses(access, 1)
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(20):
        assert _shown(await same) == (503, "1")
    held.release()
    assert not access._checks


async def test_a_refused_guess_is_429_with_retry_after_and_closes_its_connection(held: HeldHashes) -> None:
    access, desk = Access(users={"ann": hashed("x")}), desk_with(holding())
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, access=access) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(20)) as session,
    ):

        async def guess(number: int) -> tuple[int, str | None, str | None]:
            async with session.get("/", headers={"Authorization": basic("ann", f"{number}")}) as response:
                assert response.headers["X-Frame-Options"] == "DENY"
                return response.status, response.headers.get("Retry-After"), response.headers.get("Connection")

        guessing = [asyncio.create_task(guess(number)) for number in range(6)]
        while sum(task.done() for task in guessing) < 4:
            await asyncio.wait([task for task in guessing if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        async with session.get("/healthz") as response:
            assert response.status == 200
        held.release()
        answers = sorted([await task for task in guessing], key=str)
    assert answers == [(401, None, "close")] * 2 + [(429, "1", "close")] * 4


def _shown(denial: Denial | None) -> tuple[int, str | None] | None:
    return None if denial is None else (denial.status.value, denial.headers.get("Retry-After"))


def test_without_a_web_config_file_no_password_is_required() -> None:
    access = read(None)
    assert access.tls is None
    assert asyncio.run(permits(access, "/", ""))


# Hashes.


@pytest.mark.parametrize("cost", range(4, 13))
@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_hashes_of_cost_4_to_12_match_their_password_only(tmp_path: Path, version: str, cost: int) -> None:
    made = hashed("open sesame", cost).replace("$2b$", f"${version}$")
    access = read(file(tmp_path, f"basic_auth_users:\n  ann: {made}\n"))
    assert asyncio.run(permits(access, "/", basic("ann", "open sesame")))
    assert not asyncio.run(permits(access, "/", basic("ann", "open sesamE")))


@pytest.mark.parametrize("password", PUBLISHED, ids=lambda text: text[:12])
def test_published_hashes_match(password: str) -> None:
    made = PUBLISHED[password]
    assert matches(password, made, cost_of(made))
    assert not matches("x" + password, made, cost_of(made))


def test_a_salt_with_unused_bits_is_valid_as_in_go(tmp_path: Path) -> None:
    made = hashed("x").replace("stuu", "stuv")
    assert made[28] == "v"
    access = read(file(tmp_path, f"basic_auth_users:\n  ann: {made}\n"))
    assert asyncio.run(permits(access, "/", basic("ann", "x")))
    assert not asyncio.run(permits(access, "/", basic("ann", "y")))


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
            assert await permits(access, "/", basic(name, password)) is known
            assert sum(rounds) == 2 ** max(costs), (name, password)


async def test_users_with_the_same_cost_need_one_hash_each(rounds: list[int]) -> None:
    access = Access(users={"ann": "$2b$10$right", "ben": "$2b$10$wrong"})
    for name in ("ann", "ben", "unknown"):
        rounds.clear()
        await permits(access, "/", basic(name, "x"))
        assert rounds == [2**10]


@given(st.text())
def test_no_password_is_accepted_for_an_unknown_user(password: str) -> None:
    access = Access(users={"ann": hashed("x")})
    assert not asyncio.run(permits(access, "/", basic("ben", password.encode("utf-8", "replace").decode())))


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
