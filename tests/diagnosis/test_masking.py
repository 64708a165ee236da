"""No canary is left in any form, and ordinary log lines stay readable."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.diagnosis.masking import masked

C = "hunter2S3cr3t"
"""The canary. Its parts must not be left either."""

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
LONG = "IQoJb3JpZ2luX2VjEJr//////////wEaCWV1LXdlc3QtMSJHMEUCIQDx"

FORMS = [
    f"password={C}",
    f"DB_PASSWORD: {C}",
    f"dbPassword={C}",
    f"dbpassword={C}",
    f"PGPASSWORD={C} psql",
    f"pwd={C}",
    f"db_pw={C}",
    f"Passwort: {C}",
    f"contraseña={C}",
    f"mysqldump -u root -p{C} -h db",
    f'{{"value": "{C}", "name": "DB_PASSWORD"}}',
    f'{{"password": "{C}","user":"bob"}}',
    f'{{"db":{{"password":"{C}"}}}}',
    f'msg="{{\\"password\\":\\"{C}\\"}}"',
    f"{{'SECRET_KEY': '{C}'}}",
    f"{{'SECRET_KEY': b'{C}'}}",
    f'"secrets": {{"db": "{C}"}}',
    f'"secrets": ["{C}"]',
    f"password => '{C}'",
    f"password := {C}",
    f"set password to {C}",
    f"the password is {C}",
    f"--password {C} --x",
    f"--api-key={C}",
    f"<password>{C}</password>",
    f"passphrase: {C}",
    f"- password: correct {C}",
    f"client_secret={C}",
    f'"name": "DB_PASSWORD", "value": "{C}"',
    f"- name: DB_PASSWORD\n  value: {C}",
    f'{{"value":"{C}","name":"DB_PASSWORD"}}',
    f"{{'Value': '{C}', 'Key': 'db-password'}}",
    f"pw={C}",
    f"DB_PW: {C}",
    f"url=postgres%3A%2F%2Fapp%3A{C}%40db%2Fx",
    f"password:\n  {C}",
    f"password: |\n  {C}\n  {C}\nuser: bob",
    f"password='{C}\n{C}' y",
    f"password = 'a\\'{C}'",
    f"pass={C}",
    f"postgres://bob:{C}@db/x",
    f"postgres://bob:a/{C}@db/x",
    f"redis://:{C}@h:6379/0",
    f"https://{C}@github.com/a/b",
    f"amqp://bob:{C}@{C}@mq/x",
    f"jdbc:oracle:thin:bob/{C}@//db:1521/x",
    f"jdbc:mysql://h/d?user=x&password={C}&a=b",
    f"Server=a;User Id=b;Password={C} x;Z=1",
    f"AccountName=a;AccountKey={C}==;EndpointSuffix=c",
    f"dsn={C}",
    f"Connection String: {C}",
    f"curl -u bob:{C} https://x/y",
    f"curl --user bob:{C} https://x/y",
    f"SECRET_ID={C}",
    f"Authorization: Bearer {C}",
    f"Authorization: Basic {C}=",
    f"curl -H 'Authorization: Basic {C}=' https://x/y",
    f"{{'Authorization': 'Bearer {C}'}}",
    f"sent Bearer {C}",
    f"Cookie: a={C}; b={C}",
    f"Set-Cookie: sid={C}; Path=/",
    f"X-Api-Key: {C}",
    f"x-amz-security-token: {C}",
    f"GET /x?token={C}&y=1",
    f"GET /x?X-Amz-Signature={C}&y=1",
    f"GET /x?a=b&sig={C}",
    f"apiKey={C}",
    f"API Key : {C}",
    f"Secret Access Key: {C}",
    f"refreshToken: {C}",
    f"AWS_SESSION_TOKEN={C}{C}\n{C}",
    f"sessionid={C}",
    f"private_key={C}",
    f"credentials: {{a: {C}}}",
    f"PIN={C}",
    f"password%3D{C}",
    f"token: {JWT[:30]}\n{C}{JWT[30:]}",
    f"password={C},{C}",
    f"pw\npassword\t=\t{C}",
    f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{C}\n{C}==\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{C}\n{C}",
    f"started\n{C}\n{C}==\n-----END PRIVATE KEY-----\nready",
    f"12:01 app {C}{C}\n12:01 app {C}=\n12:01 app -----END EC PRIVATE KEY-----",
    f'"k": "-----BEGIN PRIVATE KEY-----\\n{C}\\n-----END PRIVATE KEY-----\\n"',
]

TOKENS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    JWT,
    LONG,
    "ghp_" + "a1B2" * 9,
    "github_pat_11ABCDEFG0_" + "a1B2" * 9,
    "glpat-" + "a1B2" * 5,
    "xoxb-" + "1234567890-abcdEF12",
    "xapp-1-A0-" + "12ab" * 5,
    "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "rk_" + "test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "whsec_" + "a1B2" * 8,
    "sk-proj-" + "a1B2" * 8,
    "AIza" + "SyD4" * 8 + "abc",
    "ya29." + "a0Af" * 8,
    "npm_" + "a1B2" * 9,
    "pypi-" + "AgEI1" * 8,
    "SG." + "ngeVfQFYQlKU0ufo8x5d1A." + "TwL2iGABf9DHoTf09kqeF8tAmbihYzrnopKc1s5cr",
    "hvs." + "CAES1" * 6,
    "SK" + "0123456789abcdef" * 2,
    "shpat_" + "0123456789abcdef" * 2,
    "hf_" + "a1B2" * 8,
    "dapi" + "0123456789abcdef" * 2,
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
]


@pytest.mark.parametrize("form", FORMS)
def test_no_part_of_the_canary_is_left(form: str) -> None:
    for text in (
        form,
        f"2026-12-01T14:02:00Z ERROR worker: {form} [request 12]",
        f"\tx {form}\n",
        form.replace("\n", "\r\n"),
    ):
        left = masked(text)
        assert "unter2" not in left, left
        assert "S3cr" not in left, left
        assert "***" in left
        assert left.count("\n") == text.count("\n"), "log lines keep their times"


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_of_a_known_shape_needs_no_name(token: str) -> None:
    for text in (token, f"using {token} now", f'["{token}"]', f"x={token};", f"key:{token}\nnext"):
        left = masked(text)
        assert token[8:] not in left, left
        assert token[-12:] not in left, left


READABLE = [
    "has reached a steady state.",
    "Essential container in task exited",
    "RESOURCE:ENI",
    "exit code 137",
    "ExpiredToken: The security token included in the request is expired",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf not found",
    "arn:aws:ecs:eu-west-1:123456789012:task/prod/0123456789abcdef0123456789abcdef",
    "arn:aws:ecs:eu-west-1:123456789012:service/a-rather-long-cluster-name/a-rather-long-service-name-v2",
    "User: arn:aws:sts::123456789012:assumed-role/exec/0123456789abcdef0123456789abcdef is not authorized to perform: "
    "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-west-1:123456789012:secret:x",
    "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker@sha256:" + "ab01" * 16,
    "image worker:2026.12.01-91a99f8",
    "commit 91a99f8e2c4b6d8f0a1c3e5b7d9f1a3c5e7b9d1f",
    "request 550e8400-e29b-41d4-a716-446655440000",
    "\tat com.example.service.OrderHandlerFactoryBean$Inner.process(OrderHandler.java:123)",
    'File "/usr/local/lib/python3.11/site-packages/sqlalchemy/engine/base.py", line 1964, in _execute_context',
    "    at Object.<anonymous> (/app/node_modules/@types/express-serve-static-core/index.js:12:34)",
    "goroutine 1 [running]: main.(*Worker).Run(0xc0000b4000, 0x7f1234567890)",
    "KeyError: 'ORDERS_QUEUE_URL'",
    "Invalid token: unexpected end of input",
    "Unexpected token } in JSON at position 4",
    "token expired",
    "max_tokens=4096",
    'FATAL: password authentication failed for user "app"',
    '{"level":"error","message":"invalid password","user":"bob"}',
    "app/worker/0123456789abcdef0123456789abcdef",
    "orders-worker-TaskDefinition-8aJ2kLmN0pQr",
    "Partition key = 5",
    "ESSENTIAL_CONTAINER_EXITED_WITH_ERROR_CODE_137",
    "1-5759e988-bd862e3fe1be46a994272793",
    "secretArn: arn:aws:x",
    "https://sqs.eu-west-1.amazonaws.com/123456789012/orders-queue-name-that-is-long-Production2",
    "DB_PASSWORD_FILE=/run/x",
    "MissingAuthenticationToken: Missing Authentication Token",
    "password: ***",
    "password=None",
    "author: Ann",
    "tokens: 12",
    "AuthenticationError: cannot connect",
    "2026-12-01T14:02:00.123456Z INFO worker ready",
    "Basic authentication failed",
    "see https://docs.example.com/guide/getting-started#section-2 or mail ops@example.com",
    "SECRET=${DB_SECRET}",
    "secretsmanager:GetSecretValue",
    "The specified log stream does not exist.",
    "passed=12 failed=3",
    "keys: a, b",
]


@pytest.mark.parametrize("line", READABLE)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert masked(line) == line


@pytest.mark.parametrize(
    ("alphabet", "length", "most"),
    [
        (string.ascii_letters + string.digits + "+/", 40, 0.001),
        (string.ascii_letters + string.digits + "-_", 43, 0.001),
        (string.ascii_lowercase + string.digits, 40, 0.001),
        (string.ascii_uppercase + "234567", 52, 0.001),
        (string.ascii_letters + string.digits, 32, 0.02),
    ],
)
def test_random_words_without_a_name_are_masked(alphabet: str, length: int, most: float) -> None:
    """The first form is that of an AWS secret access key. Many shorter ones are without a digit, and could be names."""
    draw = random.Random(1)
    found = ["".join(draw.choices(alphabet, k=length)) for _ in range(4_000)]
    assert sum(one in masked(f"using {one} now") for one in found) <= most * len(found)


@given(st.text(max_size=300) | st.lists(st.sampled_from([*FORMS, *READABLE, "\n", " ", '"', "="])).map("".join))
def test_any_text_is_accepted_keeps_its_lines_and_is_stable(text: str) -> None:
    left = masked(text)
    assert left.count("\n") == text.count("\n")
    assert masked(left).count("\n") == left.count("\n")


def test_what_surrounds_a_secret_stays() -> None:
    text = f'connecting to db.internal as bob, password="{C}", timeout=5\nretry in 3 s'
    assert masked(text) == 'connecting to db.internal as bob, password="***", timeout=5\nretry in 3 s'
    assert masked(f"Password={C};Database=orders") == "Password=***;Database=orders"
    assert masked(f"GET /x?token={C}&page=2 200") == "GET /x?token=***&page=2 200"
