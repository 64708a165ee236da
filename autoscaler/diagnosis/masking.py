"""Mask what resembles a credential in foreign text: log lines, reasons, errors. Pure.

Three kinds are found: texts of a known shape (access key IDs, JSON web tokens, tokens of common services, private
keys), values whose name says that they are secret (`password=...`, JSON, YAML, headers, URLs), and long random words.
In doubt a text is masked. Names, ARNs, digests, hashes and UUIDs stay readable.

No pattern here takes more than linear time, and how far a value is searched is bounded by `MOST_VALUE`. A line that
consists of names of secrets is searched once for each: 20,000 characters, the most that is read, take up to 0.6 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MASK = "***"

MOST_VALUE, MOST_KEY = 4_000, 64
"""Characters of a value in quotes or brackets, and of its name, that are searched for their end."""

MOST_KEY_LINES = 200
"""Lines of a private key, or of a value that is wrapped. A PGP key of 4,096 bits has about 60."""


def masked(text: str) -> str:
    """Return the text with `***` in place of each secret. The number of lines stays the same."""
    spans = sorted((start, end) for start, end in _spans(text) if end > start)
    if not spans:
        return text
    parts, at = list[str](), 0
    for start, end in spans:
        if end <= at:
            continue
        hidden = text[max(at, start) : end]
        parts += [text[at:start], "" if start < at else MASK, f"\n{MASK}" * hidden.count("\n")]
        at = end
    return "".join([*parts, text[at:]])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each secret. They may overlap."""
    for pattern in _SHAPES:
        yield from (found.span() for found in pattern.finditer(text))
    yield from _of_urls(text)
    yield from _private_keys(text)
    yield from (found.span(1) for found in _SCHEME.finditer(text) if not _PROSE.fullmatch(found[1]))
    yield from (found.span() for found in _RUN.finditer(text) if _is_random(found[0]))
    yield from _named(text)
    yield from (found.span(1) for found in _COMMAND.finditer(text))
    yield from (found.span(1) for found in _VALUE_FIRST.finditer(text) if _strength(text, *found.span(2)))


# Texts of a known shape.

_SHAPES = (
    re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{12,}(?![a-z])"),
    re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{8,}(?:\.[\w-]*)*"),  # a JSON web token, or its first part
    re.compile(
        r"(?<![A-Za-z0-9])(?:gh[oprsu]_|github_pat_|gl[a-z]{2,6}-|xox[a-z]-|xapp-|[rsp]k_live_|[rsp]k_test_|whsec_|sk-"
        r"|AIza|ya29\.|GOCSPX-|npm_|pypi-|SG\.|shp[a-z]{2}_|do[opr]_v1_|hf_|hv[bsr]\.|AGE-SECRET-KEY-|dapi|sq0[a-z]{3}-"
        r"|PMAK-|NRAK-|sntr[yu]s_|gls?[ac]_|lin_api_|figd_|pat-|tfp_|r8_|secret_|key-|rnd_|EAAC)(?=[\w.-]{0,60}\d)[\w.-]{12,}"
    ),
    re.compile(r"(?<![A-Za-z0-9])(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    re.compile(r"(?<=hooks\.slack\.com/)\S+|(?<=/api/webhooks/)\S+"),
    re.compile(r"(?<![\w:])\d{8,10}:[\w-]{30,}"),  # a bot's token of Telegram
    re.compile(r"(?<=%3A%2F%2F)[^\s&]{1,300}?(?=%40)", re.IGNORECASE),  # of an encoded URL
    re.compile(r"(?<= -u )[^\s:]*:\S+|(?<=--user )[^\s:]*:\S+|(?<=jdbc:oracle:thin:)[^\s@]+(?=@)"),
)

_COMMAND = re.compile(r"\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n]{0,200}? -p([^\s-]\S*)")
_MARK = r"\\{0,3}[\"']"
_VALUE_FIRST = re.compile(
    rf"{_MARK}value{_MARK}[ \t]{{0,8}}:[ \t]{{0,8}}{_MARK}([^\"'\n]{{1,{MOST_VALUE}}}){_MARK}[\s,]{{1,60}}"
    rf"{_MARK}(?:name|key){_MARK}[ \t]{{0,8}}:[ \t]{{0,8}}{_MARK}([\w.-]{{1,{MOST_KEY}}})",
    re.IGNORECASE,
)
"""An environment variable of a task definition, if its value comes before its name."""

_SCHEME = re.compile(r"(?<![A-Za-z])(?:bearer|basic|digest|apikey)[ \t]([^\s\"',;)]{6,})", re.IGNORECASE)
_PROSE = re.compile(r"[A-Za-z]?[a-z]*[.:!?]?")
"""A word of a sentence."""

_STORES = ("postgres", "postgresql", "mysql", "mariadb", "mongodb", "srv", "redis", "rediss", "amqp", "amqps", "mssql")
_SPACE_OR_QUOTE = re.compile(r"[\s\"'<>]")


def _of_urls(text: str) -> Iterator[tuple[int, int]]:
    """Yield `user:password` of each URL. A password may have an @; one of a database also a slash."""
    at = text.find("//")
    while at >= 0:
        start = at + 2
        end = min(len(text), start + MOST_VALUE)
        if not text[max(0, at - 12) : at].rstrip(":").lower().endswith(_STORES):
            slash = text.find("/", start, end)
            end = slash if slash >= 0 else end
        found = _SPACE_OR_QUOTE.search(text, start, end)
        end = found.start() if found else end
        yield start, max(start, text.rfind("@", start, end))
        at = text.find("//", end)


# Private keys over several lines, also without their beginning or their end.

_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----")
_OF_A_KEY = re.compile(r"[A-Za-z0-9+/=]*|[\w-]{1,20}: [\w ,.-]{0,80}")
"""A line of a private key: base64, a header such as `Proc-Type: 4,ENCRYPTED`, or nothing."""
_WORD_OF_A_KEY = re.compile(r"[A-Za-z0-9+/=]{2,}")


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    closed = 0
    for begin in _BEGIN.finditer(text):
        end = _END.search(text, begin.end(), begin.end() + 4 * MOST_VALUE)
        closed = end.end() if end else _while_of_a_key(text, begin.end())
        yield begin.start(), closed
    for end in _END.finditer(text):
        if end.start() >= closed:
            yield from _before_the_end(text, end)


def _while_of_a_key(text: str, at: int) -> int:
    """Return the end of the lines after `at` that can belong to a key."""
    end = _line_end(text, at)
    for _ in range(MOST_KEY_LINES):
        following = _line_end(text, end + 1)
        if end >= len(text) or not _OF_A_KEY.fullmatch(text[end + 1 : following].strip()):
            first = _first_unusual(text, end + 1, following)
            return end if first is None else first
        end = following
    return end


def _before_the_end(text: str, end: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield the last word of each line above, as long as it can belong to a key: the lines may have a prefix."""
    yield end.span()
    at = end.start()
    for _ in range(MOST_KEY_LINES):
        start = text.rfind("\n", 0, at) + 1
        word = text[start:at].rpartition(" ")[2].strip()
        if word:
            if not _WORD_OF_A_KEY.fullmatch(word):
                return
            yield text.rindex(word, start, at), at
        if start == 0:
            return
        at = start - 1


# Values with a name that says that they are secret.

_HINT = re.compile(
    r"pass|pwd|(?<![A-Za-z])pw(?![A-Za-z])|kennwort|contrase|senha"
    r"|secret|token|key|credential|cookie|auth|sig|dsn|connection|session|webhook|jwt|pin(?![a-z])|string",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STRONG = frozenset(
    {"password", "passwords", "passwd", "passphrase", "passcode", "pwd", "pw", "secret", "secrets", "apikey",
     "passwort", "kennwort", "contrase", "contrasena", "senha"}
)  # fmt: skip
"""Also in other languages: `contraseña` is read without what follows its ñ."""
_WEAK = frozenset(
    {
        "token",
        "jwt",
        "credential",
        "credentials",
        "cookie",
        "authorization",
        "auth",
        "signature",
        "sig",
        "dsn",
        "pass",
        "pin",
    }
)
"""These are also words of messages: `Invalid token: unexpected end of input`."""
_PAIRS = frozenset(
    {("connection", "string"), ("session", "id"), ("webhook", "url"), ("database", "url"), ("secret", "id")}
)
_KEYS = frozenset(
    {"api", "access", "private", "account", "secret", "encryption", "master", "signing", "shared", "auth", "session",
     "client", "license", "service", "storage", "app", "application", "subscription", "deploy", "hmac", "aes", "jwt"}
)  # fmt: skip
"""Words before `key` with which it is a secret."""
_COMPRESSED = (
    "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "secretkey", "privatekey", "authtoken",
    "accesstoken", "refreshtoken", "sessiontoken", "securitytoken", "idtoken", "connectionstring", "authkey",
    "sessionid",
)  # fmt: skip
"""Ends of names without separators: `dbpassword`."""
_ABOUT = frozenset(
    {"arn", "arns", "name", "names", "id", "ids", "count", "counts", "type", "types", "length", "size", "expiry",
     "expires", "expiration", "expired", "ttl", "policy", "uri", "endpoint", "file", "path", "dir", "bucket", "version",
     "provider", "manager", "limit", "usage", "used", "rate", "method", "required", "enabled", "status", "code",
     "state", "field", "source", "kind", "class", "handler", "error", "exception", "store", "scope", "algorithm",
     "region", "rotation", "age", "at", "match", "invalid", "fault", "does", "bytes", "index", "position",
     "line", "lines"}
)  # fmt: skip
"""Words after the secret word with which the value only describes a secret."""
_HEADERS = frozenset({"authorization", "cookie"})
"""The whole rest of the line is the value, with spaces."""

_IN_A_KEY = re.compile(r"[\w.-]")
_SEPARATOR = re.compile(r"(?:\\{0,3}[\"'`])?\]?[ \t]{0,8}(?::=|=>|->|={1,2}|:|%3[Dd])[ \t]{0,40}")
_PAIR = re.compile(r"\\{0,3}[\"'`]?[\s,]{1,60}\\{0,3}[\"']?value\\{0,3}[\"']?[ \t]{0,8}[:=][ \t]{0,8}", re.IGNORECASE)
_LOOSE = re.compile(r"[ \t](?:(?:is|was|set to|to)[ \t])?(?=[^\s]*[0-9!@#$%^&*])", re.IGNORECASE)
_QUOTE = re.compile(r"[bruf]{0,2}(\\{0,3}[\"'`])")
_WORD = re.compile(r"\S+")
_NEXT = re.compile(r"[&;,|]\\{0,3}[\"']?[\w.-]{1,40}\\{0,3}[\"']?[=:]")
NEXT_WITHIN = 512
"""Characters of a value in which the next name is searched: without a limit a long word of names takes quadratic
time. A longer value is masked to the end of its word.
"""

_HARMLESS = re.compile(
    r"true|false|null|none|nil|undefined|yes|no|n/a|arn:\S*|\*+|xxx+|redacted|masked|hidden|\$\{?\w+", re.IGNORECASE
)
_PHRASE = re.compile(r"(?:[ \t][^\s=:\[({\"']+(?=\s|$))*")
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})?[,;)}\]]*")
_SENTENCE = re.compile(r"[A-Za-z]?[a-z']{0,20}[,.;:!?]?(?:[ \t]|$)")


def _named(text: str) -> Iterator[tuple[int, int]]:
    seen = 0
    for hint in _HINT.finditer(text):
        if hint.start() < seen:
            continue
        start, end = _name_around(text, hint)
        seen = end
        strength = _strength(text, start, end)
        if strength:
            yield from _value_after(text, start, end, strength)


def _name_around(text: str, hint: re.Match[str]) -> tuple[int, int]:
    start, end = hint.span()
    while start > max(0, hint.start() - MOST_KEY) and _IN_A_KEY.match(text[start - 1]):
        start -= 1
    while end < min(len(text), hint.end() + MOST_KEY) and _IN_A_KEY.match(text[end]):
        end += 1
    return start, end


def _strength(text: str, start: int, end: int) -> str:
    """Return `strong`, `weak` or `header` by the name of a value (empty: not a secret)."""
    words = [word.lower() for word in _WORDS.findall(text, start, end)]
    if text[max(0, start - 1) : start] == " ":  # `API Key`, `Connection String`
        words = [word.lower() for word in _WORDS.findall(text, max(0, start - 20), start)][-1:] + words
    found = ""
    for at, word in enumerate(words):
        pair = (words[at - 1] if at else "", word)
        if word in _STRONG or pair in _PAIRS or (word == "key" and pair[0] in _KEYS) or word.endswith(_COMPRESSED):
            found = "strong"
        elif word in _WEAK:
            found = "header" if word in _HEADERS else found or "weak"
        elif found and word in _ABOUT:
            found = ""
    return found


def _value_after(text: str, start: int, end: int, strength: str) -> Iterator[tuple[int, int]]:
    """Yield the value of the name at `start`, if it has one. What follows decides: a separator, or a flag."""
    separator = _PAIR.match(text, end) or _SEPARATOR.match(text, end)
    if separator is not None:
        is_of_an_arn = text[max(0, start - 1) : start] == ":" and separator[0] == ":"
        if not is_of_an_arn:
            yield from _value_at(text, start, separator.end(), strength)
    elif text[end : end + 1] == ">" and text[max(0, start - 1) : start] == "<":
        close = text.find("</", end, end + MOST_VALUE)
        yield end + 1, close if close >= 0 else _line_end(text, end)
    elif text[start : start + 2] == "--":
        yield from _value_at(text, start, end + 1, "strong")
    elif strength == "strong" and (loose := _LOOSE.match(text, end)):
        yield from _value_at(text, start, loose.end(), "weak")


def _value_at(text: str, name: int, at: int, strength: str) -> Iterator[tuple[int, int]]:
    line_end = _line_end(text, at)
    if text[at:line_end].strip(" |>-\\\r") == "":
        yield from _on_the_next_line(text, name, line_end)
        return
    quote = _QUOTE.match(text, at)
    if quote:
        yield quote.end(), _closing(text, quote.end(), quote[1])
        return
    if text[at] in "[{":
        close = text.find("]" if text[at] == "[" else "}", at, at + MOST_VALUE)
        yield at, close + 1 if close >= 0 else line_end
        return
    word = _WORD.match(text, at)
    if (
        word is None
        or _HARMLESS.fullmatch(word[0].strip("\"'[](){}<>,;"))
        or (strength == "weak" and _is_a_sentence(text, at, word[0]))
    ):
        return
    end = _end_of_plain(text, name, word, line_end, strength)
    yield at, end
    if not text[end:line_end].strip():
        yield from _wrapped(text, at, line_end)


def _is_a_sentence(text: str, at: int, word: str) -> bool:
    return bool(_NUMBER.fullmatch(word) or _SENTENCE.match(text, at))


def _end_of_plain(text: str, name: int, word: re.Match[str], line_end: int, strength: str) -> int:
    """Return the end of a value without quotation marks."""
    before = text[text.rfind("\n", 0, name) + 1 : name]
    if strength == "header":
        quote = _SPACE_OR_QUOTE.search(text, word.start(), line_end)
        while quote and quote[0].isspace():
            quote = _SPACE_OR_QUOTE.search(text, quote.end(), line_end)
        return quote.start() if quote else line_end
    if before.strip().endswith(";"):  # of a connection string: its values may have spaces
        semicolon = text.find(";", word.start(), line_end)
        return semicolon if semicolon >= 0 else line_end
    if strength == "strong" and text[word.start() - 2 : word.start()] == ": ":  # it may have several words
        is_yaml = before.strip(" -\t\"'") == ""
        phrase = None if is_yaml else _PHRASE.match(text, word.end())
        return phrase.end() if phrase else line_end
    following = _NEXT.search(text, word.start(), min(word.end(), word.start() + NEXT_WITHIN))
    if following:
        return following.start()
    return word.start() + (len(word[0].rstrip(")]},;\"'")) or len(word[0]))


def _closing(text: str, at: int, quote: str) -> int:
    """Return the end of a text in quotation marks, which may be on a later line."""
    end = text.find(quote, at, at + MOST_VALUE)
    while end > 0 and len(quote) == 1 and _is_escaped(text, end):
        end = text.find(quote, end + 1, at + MOST_VALUE)
    return end if end >= 0 else _line_end(text, at)


def _is_escaped(text: str, at: int) -> bool:
    before = text[max(0, at - 20) : at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _on_the_next_line(text: str, name: int, line_end: int) -> Iterator[tuple[int, int]]:
    """Yield a value that begins on the line below its name: one word, or the lines that are further indented."""
    before = text[text.rfind("\n", 0, name) + 1 : name]
    indent = len(before) - len(before.lstrip())
    at, is_first = line_end + 1, True
    for _ in range(MOST_KEY_LINES):
        end = _line_end(text, at)
        line = text[at:end]
        deeper = len(line) - len(line.lstrip()) > indent
        if at >= len(text) or not line.strip() or not (deeper or (is_first and " " not in line.strip())):
            return
        yield at + len(line) - len(line.lstrip()), end
        at, is_first = end + 1, False


def _wrapped(text: str, at: int, line_end: int) -> Iterator[tuple[int, int]]:
    """Yield the lines on which a value goes on: each is one word. A short value is continued only by an unusual one."""
    is_long = line_end - at >= 20
    for _ in range(MOST_KEY_LINES):
        start, end = line_end + 1, _line_end(text, line_end + 1)
        line = text[start:end].strip()
        if not _WRAPPED.fullmatch(line) or not (is_long or not _PROSE.fullmatch(line)):
            first = _first_unusual(text, start, end) if is_long else None
            yield start, start if first is None else first
            return
        yield start, end
        line_end = end


def _first_unusual(text: str, start: int, end: int) -> int | None:
    """Return the end of the first word of a line if it is neither a word of a sentence nor a date (None: it is)."""
    word = _WORD.match(text, start, end)
    is_unusual = word and _WRAPPED.fullmatch(word[0]) and not _PROSE.fullmatch(word[0]) and not _DATE.match(word[0])
    return word.end() if word and is_unusual else None


_DATE = re.compile(r"\d{1,4}[-/.]\d\d?[-/.]")
_WRAPPED = re.compile(r"[\w+/=.~%-]{4,}[\"',;]?")


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


# Long random words: keys and tokens without a name.

_RUN = re.compile(r"(?<![A-Za-z0-9/+=%_-])[A-Za-z0-9/+=%_-]{24,}")
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_SYLLABLES = re.compile(r"(?<![a-z0-9])[A-Z]?[a-z]{3,20}(?![a-z])|(?<![A-Za-z])[A-Z]{2,16}(?![A-Za-z0-9])")
_CASES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))

LONG = 40
"""Characters of an AWS secret access key. A shorter word must have small and capital letters and digits."""
_SECRET_KEY = re.compile(r"[A-Za-z0-9/+]{40}")

LEAST_WORDS, LEAST_WORDS_OF_LONG, LEAST_WORDS_OF_A_KEY = 0.5, 0.6, 0.8
"""The share of a run's letters that are in words. In random letters and digits it is 0.2 on average; in names, paths
and identifiers it is above 0.6. A run in the form of an AWS secret access key must be made of words almost entirely.
"""


def _is_random(run: str) -> bool:
    segments = [one for one in _SEGMENT.findall(run) if not _HEXADECIMAL.fullmatch(one)]
    rest = " ".join(segments)
    if len(rest) < 20:
        return False
    has_all_cases = all(case.search(rest) for case in _CASES)
    if len(run) < LONG and not has_all_cases:
        return False
    least = LEAST_WORDS if len(run) < LONG else LEAST_WORDS_OF_LONG
    if has_all_cases and _SECRET_KEY.fullmatch(run):
        least = LEAST_WORDS_OF_A_KEY
    return sum(map(len, _SYLLABLES.findall(rest))) < least * sum(map(len, segments))
