"""Uploads with a signed form: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html."""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from multipart import MultipartError, parse_form_data

from devtools.s3.folder_buckets import FolderBuckets

# Fields that a form's policy does not have to name.
_FREE_FIELDS = {"x-amz-signature", "file", "policy"}


class FormRefused(Exception):
    """The form violates its policy, or the request has no form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def accept_form(
    buckets: FolderBuckets, bucket: str, content_type: str, body: bytes, secret_key: str, now: Callable[[], float] = time.time
) -> str:
    """Store the file of a form that was signed with this key. Returns the object's key. Raises FormRefused."""
    fields, file = _read(content_type, body)
    policy_text = fields.get("policy", "")
    _check_signature(fields, policy_text, secret_key)
    policy = json.loads(base64.b64decode(policy_text))
    if datetime.fromtimestamp(now(), UTC) >= datetime.fromisoformat(policy["expiration"]):
        raise FormRefused(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    _check_conditions(policy["conditions"], {**fields, "bucket": bucket}, len(file))
    buckets.put(bucket, fields["key"], fields, file)
    return fields["key"]


def _read(content_type: str, body: bytes) -> tuple[dict[str, str], bytes]:
    environment = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    try:
        forms, files = parse_form_data(environment, strict=True, memory_limit=len(body) + 1, spool_limit=len(body) + 1)
    except MultipartError as error:
        raise FormRefused(400, "MalformedPOSTRequest", f"The body of your POST request is not well-formed: {error}") from None
    file = files.get("file")
    if file is None:
        raise FormRefused(400, "InvalidArgument", "POST requires exactly one file upload per request.")
    return {name.lower(): value for name, value in forms.iterallitems()}, file.raw


def _check_signature(fields: dict[str, str], policy: str, secret_key: str) -> None:
    _, *scope = fields.get("x-amz-credential", "").split("/")
    key = f"AWS4{secret_key}".encode()
    for part in [*scope, policy]:  # derive the signing key from the day, region, service and request
        digest = hmac.new(key, part.encode(), hashlib.sha256)
        key = digest.digest()
    if len(scope) != 4 or not hmac.compare_digest(key.hex(), fields.get("x-amz-signature", "")):
        raise FormRefused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")


def _check_conditions(conditions: list[Any], fields: dict[str, str], size: int) -> None:
    named = set(_FREE_FIELDS)
    for condition in conditions:
        match condition:
            case ["content-length-range", low, high]:
                if size > high:
                    raise FormRefused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
                if size < low:
                    raise FormRefused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
            case dict():
                for name, value in condition.items():
                    named.add(name.lower())
                    if fields.get(name.lower()) != value:
                        raise FormRefused(403, "AccessDenied", f'Invalid according to Policy: Policy Condition failed: ["eq", "${name}"]')
            case _:
                raise NotImplementedError(f"the folder knows no condition {condition}")
    if extra := fields.keys() - named - {"bucket"}:
        raise FormRefused(403, "AccessDenied", f"Invalid according to Policy: Extra input fields: {min(extra)}")
