"""The operator's calls. Two of them change something: the tag that pauses a service."""

from __future__ import annotations

from autoscaler.aws.apis import DESCRIBE_SERVICES, YOU, Api
from autoscaler.ports import Category

GET_CALLER_IDENTITY = Api("sts:GetCallerIdentity", "get_caller_identity", Category.IDENTITY, "*", YOU)
SIMULATE_PRINCIPAL_POLICY = Api(
    "iam:SimulatePrincipalPolicy", "simulate_principal_policy", Category.SIMULATION, "the role itself", YOU
)
TAG_RESOURCE = Api("ecs:TagResource", "tag_resource", Category.TAG_MODIFY, "the service", YOU)
UNTAG_RESOURCE = Api("ecs:UntagResource", "untag_resource", Category.TAG_MODIFY, "the service", YOU)

READ_SERVICE = DESCRIBE_SERVICES._replace(holder=YOU)
"""Called before and after a tag is written, with the same credentials."""
