"""The page about permissions lists every statement of the policies, with its calls and their resource."""

from __future__ import annotations

import re

from autoscaler.aws.calls import CALLS, Purpose, ResourceForm
from autoscaler.aws.operator import OPERATOR_CALLS
from tests.docs.pages import ROOT

ROW = re.compile(r"^\| `([A-Z]\w+)` \| (.+?) \| (.+?) \| .+ \|$", re.MULTILINE)

RESOURCES = {
    ResourceForm.QUEUE: "the queues",
    ResourceForm.SERVICE: "the services, in their cluster",
    ResourceForm.TASKS: "the tasks of each cluster, in that cluster",
    ResourceForm.PAUSE_TAG: "the services, and only that tag key",
    ResourceForm.ROLE: "the roles",
    ResourceForm.SERVICE_DEPLOYMENTS: "the deployments of the services, in their cluster",
    ResourceForm.LOG_STREAMS: "the log streams of the account, in every Region",
    ResourceForm.FARGATE_QUOTAS: "the quotas of Fargate",
    ResourceForm.ANY: "`*`",
    ResourceForm.ANY_IN_CLUSTER: "`*`, in each cluster",
}
"""The words of the page for each form of resource."""


def test_the_page_has_the_statements_of_the_policies_in_their_order() -> None:
    rows = ROW.findall((ROOT / "docs" / "iam.md").read_text())
    assert [purpose for purpose, _, _ in rows] == list(Purpose)
    for purpose, actions, resource in rows:
        calls = [api for api in (*CALLS, *OPERATOR_CALLS) if api.purpose == purpose]
        assert actions == ", ".join(f"`{api.name}`" for api in calls)
        assert {resource} == {RESOURCES[api.resource] for api in calls}
