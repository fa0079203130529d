"""Sign requests to AWS as botocore does (Signature Version 4), at a tenth of the cost.

The text that all requests of an operation share is prepared once.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

import hmac
import re
from hashlib import sha256
from typing import Any, Self

from botocore import auth as botocore_auth
from botocore.awsrequest import AWSPreparedRequest, HeadersDict

_CONSTANT = ("X-Amz-Target", "Content-Type", "User-Agent")
_HEADERS = (*_CONSTANT, "X-Amz-Date", "Authorization", "amz-sdk-invocation-id", "amz-sdk-request", "Content-Length")
_HEADERS_WITH_TOKEN = (*_HEADERS[:4], "X-Amz-Security-Token", *_HEADERS[4:])
_TRACE = "X-Amzn-Trace-Id"  # Lambda's trace header, which is not signed
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request,")


auth: Any = botocore_auth  # botocore's type stubs lack the names used here


class RequestTemplate:
    """The data that the first attempts of an operation's calls share, taken from a request that botocore signed."""

    def __init__(self, request: Any, region: str, service: str) -> None:
        self.url: str = request.url
        self._constant = [(name, _text(request.headers[name])) for name in _CONSTANT]
        self._attempt = _text(request.headers["amz-sdk-request"])
        self._region, self._service = region, service
        self._scope = f"{region}/{service}/aws4_request"
        self._before_date = f"POST\n/\n\ncontent-type:{self._constant[1][1]}\nhost:{auth._host_from_url(request.url)}\nx-amz-date:"
        self._after_date = f"\nx-amz-target:{self._constant[0][1]}\n\n"
        self._key: tuple[tuple[str, str], bytes] = (("", ""), b"")  # ((secret, day), signing key), used last

    @classmethod
    def from_botocore(cls, request: Any, credentials: Any) -> Self | None:
        """Return a template made from a request that botocore signed.

        Returns None if the template's signature would differ from botocore's.
        """
        names = tuple(request.headers)
        scope = _SCOPE.match(_text(request.headers.get("Authorization", "")))
        if scope is None or request.method != "POST" or names != (_HEADERS_WITH_TOKEN if credentials.token else _HEADERS):
            return None
        template = cls(request, *scope.groups())
        authorization = template._authorization(credentials, _text(request.headers["X-Amz-Date"]), request.body)
        return template if authorization == _text(request.headers["Authorization"]) else None

    def sign(self, credentials: Any, context: dict[str, Any], body: bytes, trace_id: str | None) -> Any:
        """Return the signed request for a call's first attempt, dated now.

        `credentials` are frozen. `context` is the call's botocore context.
        """
        timestamp = context["timestamp"] = auth.get_current_datetime().strftime(auth.SIGV4_TIMESTAMP)
        headers = [*self._constant]
        if trace_id is not None:
            headers.append((_TRACE, trace_id))
        headers.append(("X-Amz-Date", timestamp))
        if credentials.token:
            headers.append(("X-Amz-Security-Token", credentials.token))
        headers += (
            ("Authorization", self._authorization(credentials, timestamp, body)),
            ("amz-sdk-invocation-id", context["retries"]["invocation-id"]),
            ("amz-sdk-request", self._attempt),
            ("Content-Length", str(len(body))),
        )
        prepared: Any = AWSPreparedRequest
        return prepared("POST", self.url, HeadersDict(headers), body, False, context)

    def _authorization(self, credentials: Any, timestamp: str, body: bytes) -> str:
        token, token_name = "", ""
        if credentials.token:
            # botocore's canonical form: no spaces around a value, and only single spaces within it.
            token, token_name = f"\nx-amz-security-token:{' '.join(credentials.token.split())}", "x-amz-security-token;"
        signed = f"content-type;host;x-amz-date;{token_name}x-amz-target"
        canonical = f"{self._before_date}{timestamp}{token}{self._after_date}{signed}\n{sha256(body).hexdigest()}"
        scope = f"{timestamp[:8]}/{self._scope}"
        to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(credentials.secret_key, timestamp[:8]), to_sign.encode(), "sha256").hex()
        return f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"

    def _signing_key(self, secret: str, day: str) -> bytes:
        owner, key = self._key
        if owner != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (secret, day), key
        return key


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
