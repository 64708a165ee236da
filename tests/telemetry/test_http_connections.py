"""The limits of the open connections: which connection is accepted, and which one makes room for it."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.telemetry import http_connections
from autoscaler.telemetry.http_connections import (
    ConnectionLimits,
    HttpConnection,
    OpenConnections,
    RefusalReason,
    Stage,
    client_of,
    is_loopback,
    limits_for,
)
from tests.virtual import run_virtually

LIMITS = ConnectionLimits()
REMOTE, LOCAL = "10.0.0.1", "127.0.0.1"


class Client:
    """A connection of `host`, if it was accepted."""

    def __init__(self, connections: OpenConnections, host: str, stage: Stage = Stage.BUSY) -> None:
        self.aborted = asyncio.Event()
        self.connection = connections.admit(host)
        if self.connection is not None:
            self.connection.abort = self._abort
            self.connection.become(stage)

    def _abort(self) -> None:
        self.aborted.set()

    @property
    def is_aborted(self) -> bool:
        return self.aborted.is_set()

    @property
    def is_refused(self) -> bool:
        return self.connection is None

    @property
    def is_for_health(self) -> bool:
        return self.connection is not None and self.connection.is_for_health


def hosts(count: int) -> list[str]:
    return [f"10.0.{number // 200}.{number % 200}" for number in range(count)]


async def test_when_every_connection_is_busy_further_ones_are_for_health_checks_of_remote_and_local_peers() -> None:
    connections = OpenConnections(LIMITS)
    held = [Client(connections, host) for host in hosts(300)]
    kinds = Counter("refused" if one.is_refused else "health" if one.is_for_health else "ordinary" for one in held)
    assert kinds == {"ordinary": LIMITS.ordinary, "health": LIMITS.reserved, "refused": 300 - 256 + LIMITS.reserved}
    local = [Client(connections, host) for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1")]
    assert all(one.is_for_health for one in local)
    assert len(connections) == LIMITS.ordinary + LIMITS.reserved + 3
    assert not any(one.is_aborted for one in held)


async def test_at_the_limit_an_idle_connection_makes_room_before_one_without_a_request() -> None:
    connections = OpenConnections(ConnectionLimits(9))  # 7 ordinary ones, 2 of one address
    stages = (Stage.IDLE, Stage.BUSY, Stage.OPEN, Stage.ARRIVED, Stage.HANDSHAKE, Stage.REFUSED)
    local, *held = [Client(connections, LOCAL, Stage.OPEN)] + [
        Client(connections, f"10.0.0.{number}", stage) for number, stage in enumerate(stages)
    ]
    dropped = []
    for number in range(5):
        assert not Client(connections, f"10.0.1.{number}").is_for_health
        dropped.append([stage for stage, one in zip(stages, held, strict=True) if one.is_aborted])
    expected = [Stage.REFUSED, Stage.IDLE, Stage.OPEN, Stage.ARRIVED, Stage.HANDSHAKE]
    assert [set(one) for one in dropped] == [set(expected[: number + 1]) for number in range(5)]
    assert Client(connections, "10.0.2.1").is_for_health, "it replaces neither a busy connection nor a local one"
    assert not local.is_aborted
    assert not Client(connections, LOCAL).is_for_health
    assert local.is_aborted, "a local one replaces it"


async def test_the_client_with_the_most_connections_makes_room_first() -> None:
    connections = OpenConnections(ConnectionLimits(20))  # 18 ordinary ones, 5 of one address
    lonely = Client(connections, "10.0.0.2", Stage.IDLE)
    many = [Client(connections, "10.0.0.1", Stage.OPEN) for _ in range(5)]  # also before the idle one of another
    others = [Client(connections, f"10.0.1.{number}") for number in range(12)]
    assert not Client(connections, "10.0.0.3").is_refused
    assert [one.is_aborted for one in (lonely, *many, *others)] == [False, True] + [False] * 16


async def test_a_new_connection_is_kept_until_its_request_arrives_while_many_idle_ones_are_open() -> None:
    connections = OpenConnections(LIMITS)
    for _ in range(LIMITS.ordinary):
        Client(connections, LOCAL, Stage.IDLE)
    waiting = Client(connections, LOCAL, Stage.ARRIVED)
    for _ in range(LIMITS.ordinary - 1):
        Client(connections, LOCAL, Stage.ARRIVED)
    assert not waiting.is_aborted
    Client(connections, LOCAL, Stage.ARRIVED)
    assert waiting.is_aborted


def test_a_client_that_does_not_read_makes_room_after_a_second_and_a_slow_one_does_not() -> None:
    async def play() -> None:
        connections = OpenConnections(ConnectionLimits(6))
        slow, silent = (Client(connections, f"10.0.0.{number}", Stage.STALLED) for number in range(2))
        busy = [Client(connections, f"10.0.1.{number}") for number in range(2)]
        await asyncio.sleep(http_connections.STALLED_S)
        assert Client(connections, "10.0.2.1").is_for_health, "they have just stalled"
        await asyncio.sleep(0.01)
        for stage in (Stage.BUSY, Stage.STALLED):  # it has read something
            _known(slow).become(stage)
        assert not Client(connections, "10.0.2.2").is_for_health
        assert [one.is_aborted for one in (slow, silent, *busy)] == [False, True, False, False]

    run_virtually(play())


async def test_an_idle_connection_that_was_used_recently_makes_room_last() -> None:
    connections = OpenConnections(ConnectionLimits(5))
    first, second, third = (Client(connections, f"10.0.0.{number}", Stage.IDLE) for number in range(3))
    assert first.connection is not None
    first.connection.become(Stage.BUSY)
    first.connection.become(Stage.IDLE)
    Client(connections, "10.0.1.1")
    Client(connections, "10.0.1.2")
    assert [one.is_aborted for one in (first, second, third)] == [False, True, True]


async def test_the_connections_of_one_address_are_limited_unless_it_is_loopback() -> None:
    connections = OpenConnections(LIMITS)
    held = [Client(connections, REMOTE) for _ in range(LIMITS.per_address)]
    assert not any(one.is_refused for one in held)
    assert Client(connections, REMOTE).is_refused
    assert not Client(connections, "10.0.0.2").is_refused
    assert not any(Client(connections, LOCAL).is_refused for _ in range(LIMITS.per_address + 1))


async def test_of_ipv6_all_addresses_of_one_network_of_64_bits_are_one_client() -> None:
    connections = OpenConnections(LIMITS)
    held = [Client(connections, f"2001:db8::{number:x}") for number in range(LIMITS.per_address)]
    assert not any(one.is_refused for one in held)
    assert Client(connections, "2001:db8::ffff:1").is_refused
    assert not Client(connections, "2001:db8:0:1::1").is_refused


def test_a_mapped_address_is_the_address_that_it_maps_and_a_name_is_itself() -> None:
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1") == "10.0.0.1"
    assert client_of("fe80::1%eth0") == "fe80::/64"
    assert client_of("::1") != client_of("::2")
    assert (client_of(""), client_of("name")) == ("", "name")
    assert [is_loopback(host) for host in ("127.8.0.1", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "name")] == [
        True, True, True, False, False,
    ]  # fmt: skip


async def test_the_oldest_tls_handshake_makes_room_for_a_new_one() -> None:
    connections = OpenConnections(ConnectionLimits(8))  # two handshakes at a time
    clients = [Client(connections, f"10.0.0.{number}", Stage.ARRIVED) for number in range(4)]
    for one in clients:
        assert one.connection is not None
        connections.begin_handshake(one.connection)
    assert [one.is_aborted for one in clients] == [True, True, False, False]


async def test_a_connection_without_a_complete_head_is_dropped_in_time_and_one_with_a_request_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.05)
    connections = OpenConnections(LIMITS)
    slow, busy = Client(connections, REMOTE, Stage.OPEN), Client(connections, REMOTE)
    async with asyncio.timeout(20):
        await slow.aborted.wait()
    await asyncio.sleep(0.1)
    assert not busy.is_aborted
    assert len(connections) == 1


EVENTS = st.lists(
    st.tuples(st.sampled_from([REMOTE, LOCAL, "10.0.0.2", "2001:db8::1", "10.0.0.3"]), st.sampled_from(list(Stage))),
    max_size=60,
)


@given(most=st.integers(4, 20), events=EVENTS)
@example(most=4, events=[(REMOTE, Stage.BUSY), ("10.0.0.2", Stage.BUSY), ("10.0.0.3", Stage.IDLE)] * 2)
def test_no_sequence_of_connections_exceeds_a_limit_and_none_that_is_busy_is_dropped(
    most: int, events: list[tuple[str, Stage]]
) -> None:
    async def play() -> None:
        connections, clients = OpenConnections(ConnectionLimits(most)), list[Client]()
        for host, stage in events:
            clients.append(Client(connections, host, stage))
            kept = [one for one in clients if not one.is_refused and not one.is_aborted]
            assert len(kept) == len(connections) <= most
            assert sum(not one.is_for_health for one in kept) <= connections.limits.ordinary
            of_clients = Counter(_known(one).client for one in kept if not _known(one).is_local)
            assert max(of_clients.values(), default=0) <= connections.limits.per_address
        used = {Stage.BUSY, Stage.STALLED}
        assert not any(one.is_aborted and one.connection and one.connection.stage in used for one in clients)

    asyncio.run(play())


def _known(client: Client) -> HttpConnection:
    assert client.connection is not None
    return client.connection


# File descriptors.


@pytest.mark.parametrize(
    ("files", "most"),
    [(-1, 256), (1_048_576, 256), (1_024, 256), (1_023, 255), (512, 128), (256, 64), (64, 16), (8, 4), (0, 4)],
)
def test_clients_get_a_quarter_of_the_file_descriptors_at_most(files: int, most: int) -> None:
    limits = limits_for(files)
    assert limits.most == most
    assert limits.ordinary + 2 * limits.reserved == most
    assert min(limits.ordinary, limits.reserved, limits.per_address, limits.handshakes) >= 1


@pytest.mark.parametrize(("soft", "hard"), [(64, 128), (128, 128)])
def test_the_limit_of_file_descriptors_is_raised_as_far_as_permitted(soft: int, hard: int) -> None:
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from autoscaler.telemetry.http_connections import limits_within_files, raise_file_limit\n"
        "raise_file_limit(); print(resource.getrlimit(resource.RLIMIT_NOFILE), limits_within_files().most)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert answer.stdout.strip() == f"({hard}, {hard}) {hard // 4}"


def test_a_limit_that_may_not_be_raised_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "setrlimit", refuse)
    http_connections.raise_file_limit()


async def test_connections_that_are_not_served_are_counted_by_reason() -> None:
    connections = OpenConnections(ConnectionLimits(4))  # 2 ordinary ones, 1 handshake
    served = Client(connections, LOCAL, Stage.BUSY)
    assert served.connection is not None
    served.connection.drop()
    assert not connections.refusals, "the server ends"
    first, second = Client(connections, "10.0.0.1"), Client(connections, "10.0.0.2")
    assert first.connection is not None
    assert second.connection is not None
    connections.begin_handshake(first.connection)
    connections.begin_handshake(second.connection)
    Client(connections, "10.0.0.3", Stage.BUSY)
    Client(connections, "10.0.0.4", Stage.BUSY)
    assert connections.refusals == {RefusalReason.TOO_MANY_HANDSHAKES: 1, RefusalReason.REPLACED: 1}
    Client(connections, "10.0.0.5", Stage.BUSY)
    assert Client(connections, "10.0.0.6").is_refused
    assert connections.refusals[RefusalReason.NO_ROOM] == 1
    first.connection.drop(RefusalReason.TLS_FAILED)
    assert connections.refusals[RefusalReason.TLS_FAILED] == 0, "it has ended before"
    assert connections.refusals.total() == 3
