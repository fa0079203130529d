"""The errors of requests as such, whatever they are about: what is sent is too large, or we are at fault."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError

MAX_BODY_BYTES = 256 * 1024


class BodyTooLarge(ApiError):
    code: ClassVar[str] = "body_too_large"
    status: ClassVar[int] = 413
    default_message: ClassVar[str] = f"The request body is too large. Send at most {MAX_BODY_BYTES // 1024} KB."


class UnsupportedMediaType(ApiError):
    code: ClassVar[str] = "unsupported_media_type"
    status: ClassVar[int] = 415
    default_message: ClassVar[str] = "Send the request body as JSON, with the header `Content-Type: application/json`."


class InternalError(ApiError):
    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    default_message: ClassVar[str] = "Something went wrong on our side. If it happens again, contact support with the request id."


class ServiceUnavailable(ApiError):
    code: ClassVar[str] = "service_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The service is busy."


class NotSetUp(ApiError):
    code: ClassVar[str] = "not_set_up"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The service is not set up correctly, so it cannot process this request. Contact the shop."
