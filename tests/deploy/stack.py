"""Resolve the CloudFormation template: parameters in, plain resources out.

Only the functions that the template uses are implemented; any other function is a KeyError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "deploy" / "cloudformation.yaml"
EVENTS = ROOT / "deploy" / "events.yaml"

ACCOUNT, REGION = "123456789012", "eu-west-1"
PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::Region": REGION}
QUEUES = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders", f"arn:aws:sqs:{REGION}:{ACCOUNT}:refunds.fifo"]
REQUIRED = {
    "Image": "autoscaler@sha256:" + "0" * 64,
    "DaemonCluster": "tools",
    "VpcId": "vpc-1",
    "VpcCidr": "10.0.0.0/16",
    "Subnets": "subnet-1,subnet-2",
    "ScaledCluster": "shop",
    "ScaledService": "worker",
    "QueueArns": ",".join(QUEUES),
    "MaxTasks": "20",
}
"""The parameters without a default."""

OPTIONAL = {
    "ImageRepositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/autoscaler",
    "MoreSecurityGroups": "sg-endpoints,sg-proxy",
    "ProcessingTime": "5s",
    "CpuTargetPercent": "60",
    "Mode": "active",
    "DenyRedefinition": "true",
    "EventQueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:events",
}
"""Parameters that invert every condition of the template."""

PLACEHOLDERS = {
    "REGION": REGION,
    "ACCOUNT": ACCOUNT,
    "CLUSTER": REQUIRED["ScaledCluster"],
    "SERVICE": REQUIRED["ScaledService"],
    "QUEUE": "orders",
    "IMAGE": REQUIRED["Image"],
}
"""The placeholders of the two JSON files, with the same values as `REQUIRED`."""

NOTHING = object()
"""`AWS::NoValue`: the property is omitted."""


def template(path: Path = TEMPLATE) -> dict[str, Any]:
    """Return the template with long function names (`!Ref X` as `{"Ref": "X"}`), without parameter values."""
    decoded: dict[str, Any] = cfn_yaml.load(str(path))
    return decoded


def deployed(given: Mapping[str, str] = REQUIRED, path: Path = TEMPLATE) -> dict[str, Any]:
    """Return the properties of every resource by logical name, with these parameters and defaults for the others."""
    source = template(path)
    unknown = set(given) - set(source["Parameters"])
    assert not unknown, f"the template has no parameters {unknown}"
    filled = _Filling(source, {name: _value(name, body, given) for name, body in source["Parameters"].items()})
    return {name: filled.fill(body["Properties"]) for name, body in source["Resources"].items()}


def filled_in(name: str) -> str:
    """Return one of the JSON files in `deploy/` with its placeholders replaced as `docs/deploying.md` describes."""
    text = (ROOT / "deploy" / name).read_text()
    for placeholder, value in PLACEHOLDERS.items():
        text = re.sub(rf"\b{placeholder}\b", value, text)
    return text


def _value(name: str, parameter: Mapping[str, Any], given: Mapping[str, str]) -> str | list[str]:
    text = str(given[name] if name in given else parameter["Default"])
    allowed = [str(value) for value in parameter.get("AllowedValues", [text])]
    assert text in allowed, f"{name}: {text!r} is not among {allowed}"
    assert re.search(parameter.get("AllowedPattern", ""), text), f"{name}: {text!r} does not match"
    is_list = parameter["Type"].startswith("List<") or parameter["Type"] == "CommaDelimitedList"
    return text.split(",") if is_list else text


class _Filling:
    def __init__(self, source: Mapping[str, Any], parameters: Mapping[str, str | list[str]]) -> None:
        self._conditions = source["Conditions"]
        self._resources = source["Resources"]
        self._known = {**PSEUDO, **parameters, "AWS::NoValue": NOTHING}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": lambda path: f"<{path if isinstance(path, str) else '.'.join(path)}>",
            "Fn::Sub": lambda text: re.sub(r"\$\{([^}]+)\}", lambda name: str(self._known[name[1]]), text),
            "Fn::Join": lambda args: args[0].join(self.fill(args[1])),
            "Fn::Split": lambda args: self.fill(args[1]).split(args[0]),
            "Fn::If": lambda args: self.fill(args[1] if self._holds(self._conditions[args[0]]) else args[2]),
        }

    def fill(self, node: Any) -> Any:
        match node:
            case dict() if len(node) == 1 and (name := next(iter(node))) in self._functions:
                return self._functions[name](node[name])
            case dict():
                pairs = ((key, self.fill(value)) for key, value in node.items())
                return {str(key): value for key, value in pairs if value is not NOTHING}
            case list():
                return [value for value in map(self.fill, node) if value is not NOTHING]
            case str():
                return str(node)
        return node

    def _ref(self, name: str) -> Any:
        return f"<{name}>" if name in self._resources else self._known[name]

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        match condition:
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::Equals": [left, right]}:
                return bool(self.fill(left) == self.fill(right))
        raise KeyError(condition)
