"""Addresses of the AWS console for each partition, and of the documentation."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from autoscaler.config.addresses import queue
from autoscaler.ports import QueueRef, Role, ServiceRef
from autoscaler.telemetry.page.links import DOCUMENTATION, console_links, is_aws

ROOT = Path(__file__).parents[2]
HERE = QueueRef("orders", account="123456789012")


def links(region: str | None, *queues: QueueRef, home: str = "", cluster: str = "prod") -> Any:
    return console_links(ServiceRef("orders", cluster, "orders-worker", region), queues, home)


@pytest.mark.parametrize(
    ("region", "console", "queue_url"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com", "https://sqs.eu-west-1.amazonaws.com/"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn", "https://sqs.cn-north-1.amazonaws.com.cn/"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com", "https://sqs.us-gov-west-1.amazonaws.com/"),
    ],
)
def test_each_partition_has_its_console(region: str, console: str, queue_url: str) -> None:
    found = links(region, HERE)
    place = f"https://{console}/ecs/v2/clusters/prod/services/orders-worker"
    assert found["service"] == f"{place}/health?region={region}"
    assert found["log"] == f"{place}/logs?region={region}"
    address = urlsplit(found["queues"]["orders"]["queue"])
    assert (address.netloc, address.path, address.query) == (console, "/sqs/v3/home", f"region={region}")
    assert unquote(address.fragment) == f"/queues/{queue_url}123456789012/orders"
    metrics = found["queues"]["orders"]["metrics"]
    assert metrics.startswith(
        f"https://{console}/cloudwatch/home?region={region}#metricsV2?graph=~(metrics~(~(~'AWS*2f"
    )
    assert "~'ApproximateAgeOfOldestMessage~'QueueName~'orders)" in metrics
    assert metrics.count("(") == metrics.count(")")


@pytest.mark.parametrize("region", [None, "", "us-iso-east-1", "eusc-de-east-1", "nowhere"])
def test_without_a_known_console_there_is_no_link(region: str | None) -> None:
    assert links(region, HERE) is None


def test_the_region_is_that_of_the_service_else_the_daemons_own() -> None:
    assert links(None, home="eu-west-1") == links("eu-west-1")
    assert "us-east-1" in links("us-east-1", home="eu-west-1")["service"]


def test_a_queue_without_a_known_account_has_a_link_to_its_metrics_only() -> None:
    found = links("eu-west-1", QueueRef("jobs"))["queues"]["jobs"]
    assert found["queue"] is None
    assert "QueueName~'jobs" in found["metrics"]


def test_the_account_of_a_queue_is_that_of_its_url_or_arn_or_role() -> None:
    role = Role("arn:aws:iam::210987654321:role/reader")
    url = queue("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs.fifo")
    arn = queue("arn:aws:sqs:eu-central-1:123456789012:jobs.fifo")
    for one, account in (
        (url, "123456789012"),
        (arn, "123456789012"),
        (QueueRef("jobs.fifo", role=role), "210987654321"),
    ):
        found = links("eu-central-1", one)["queues"]["jobs.fifo"]["queue"]
        assert unquote(found).endswith(f"/queues/https://sqs.eu-central-1.amazonaws.com/{account}/jobs.fifo")


@pytest.mark.parametrize("name", ["a/b?c#d", '"><img src=x>', "javascript:alert(1)", "ü", "a b", "..", "\ud800"])
def test_no_name_leaves_its_part_of_an_address(name: str) -> None:
    found = console_links(ServiceRef("k", name, name, "eu-west-1"), [QueueRef(name, account="123456789012")], "")
    assert found is not None
    for address in (found["service"], found["log"], *found["queues"][name].values()):
        assert re.fullmatch(r"https://eu-west-1\.console\.aws\.amazon\.com/[A-Za-z0-9_.%/?=#~'()*-]+", address)
    assert urlsplit(found["service"]).path.count("/") == 7


def test_there_are_no_links_to_a_server_that_stands_in_for_aws() -> None:
    assert is_aws({})
    assert is_aws({"AWS_ENDPOINT_URL": ""})
    assert is_aws({"AWS_ENDPOINT_URL_ECS": "https://vpce-1.ecs.eu-west-1.vpce.amazonaws.com"})
    assert not is_aws({"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"})
    assert not is_aws({"AWS_ENDPOINT_URL_ECS": "http://amazonaws.com.example.org"})


def test_the_documentation_is_that_of_the_package_and_has_the_linked_pages() -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert urls["Documentation"] == f"{DOCUMENTATION}index.md"


def test_the_linked_sections_exist() -> None:
    scripts = "".join(file.read_text() for file in (ROOT / "autoscaler/telemetry/page/static").glob("*.js"))
    sections = {line[3:].lower() for line in (ROOT / "docs/runbook.md").read_text().splitlines() if line[:3] == "## "}
    linked = set(re.findall(r"'(autoscaler[a-z]+)'", scripts))
    assert len(linked) == 4
    assert linked <= sections
    for page in re.findall(r"to\([`']([a-z]+\.md)", scripts):
        assert (ROOT / "docs" / page).exists()
