"""The in-process transport: boto3's S3 client gets its responses from a folder, before a request is signed or sent.

It knows PutObject, GetObject, DeleteObject and ListObjectsV2 of a client with an endpoint, which names the bucket in the path.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from botocore.awsrequest import AWSResponse

from devtools.s3.folder_buckets import FolderBuckets

_PAGE_KEYS = 1000

Result = tuple[int, dict[str, Any]]


@contextmanager
def in_process_buckets(buckets: FolderBuckets, client: Any) -> Iterator[None]:
    """Within the block, `buckets` responds to all calls of this client."""

    def respond(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        path = unquote(params["url"].removeprefix(client.meta.endpoint_url).partition("?")[0])
        bucket, _slash, key = path.lstrip("/").partition("/")
        headers = {name.lower(): _text(value) for name, value in params["headers"].items()}
        status, parsed = _answer(buckets, model.name, bucket, key, headers, params)
        parsed["ResponseMetadata"] = {"RequestId": "folder", "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
        return AWSResponse(params["url"], status, {}, None), parsed  # type: ignore[arg-type]

    client.meta.events.register_last("before-call.s3", respond, unique_id="folder-buckets")
    try:
        yield
    finally:
        client.meta.events.unregister("before-call.s3", unique_id="folder-buckets")


def _answer(buckets: FolderBuckets, operation: str, bucket: str, key: str, headers: dict[str, str], params: dict[str, Any]) -> Result:
    match operation:
        case "PutObject":
            body = params["body"]
            buckets.put(bucket, key, headers, body if isinstance(body, bytes) else body.read())
            return 200, {}
        case "GetObject":
            return _get(buckets, bucket, key, headers.get("range", ""))
        case "DeleteObject":
            buckets.delete(bucket, key)
            return 204, {}
        case "ListObjectsV2":
            return 200, _list(buckets, bucket, params["query_string"])
    raise NotImplementedError(f"the folder knows no {operation}")


def _get(buckets: FolderBuckets, bucket: str, key: str, byte_range: str) -> Result:
    found = buckets.find(bucket, key)
    if found is None:
        return 404, {"Error": {"Code": "NoSuchKey", "Message": "The specified key does not exist."}}
    first, _, last = byte_range.removeprefix("bytes=").partition("-")
    if byte_range and int(first) >= len(found.body):
        return 416, {"Error": {"Code": "InvalidRange", "Message": "The requested range is not satisfiable"}}
    body = found.body[int(first) : int(last) + 1] if byte_range else found.body
    notes = {name.removeprefix("x-amz-meta-"): value for name, value in found.headers.items() if name.startswith("x-amz-meta-")}
    content_type, etag = found.headers.get("content-type", ""), found.response_headers["etag"]
    return 200, {"Body": io.BytesIO(body), "ContentType": content_type, "Metadata": notes, "ETag": etag}


def _list(buckets: FolderBuckets, bucket: str, query: dict[str, str]) -> dict[str, Any]:
    after = query.get("continuation-token", "")
    keys = [key for key in buckets.list_keys(bucket, query.get("prefix", "")) if key > after]
    page = [(key, found) for key in keys[:_PAGE_KEYS] if (found := buckets.find(bucket, key)) is not None]
    contents = [{"Key": key, "LastModified": datetime.fromtimestamp(found.stored_at, UTC)} for key, found in page]
    more = {"NextContinuationToken": keys[_PAGE_KEYS - 1]} if len(keys) > _PAGE_KEYS else {}
    return {"Contents": contents, "IsTruncated": bool(more), **more}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
