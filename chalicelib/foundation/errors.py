"""The base class of all errors that a caller of the API sees."""

from typing import Any, ClassVar


class ApiError(Exception):
    """A request that is refused. Features raise subclasses; `edge.http` turns them into replies.

    `code` is for programs and never changes, `status` is the HTTP status, `message` is for people. `details` are further keys of
    the reply's JSON body.
    """

    code: ClassVar[str] = "bad_request"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The request was refused."

    def __init__(self, message: str | None = None, /, **details: Any) -> None:
        self.message = message or self.default_message
        self.details = details
        super().__init__(self.message)


class NotFound(ApiError):
    code = "not_found"
    status = 404
    default_message = "There is nothing at this address."


class InvalidInput(ApiError):
    """A field is missing, malformed or breaks a rule; `path` is its JSON path, such as `$.quantity`.

    Of what people can type, `rule` names the rule for pages in any language, and `limit` is the number that it speaks of, if it has one.
    """

    code = "invalid_input"
    status = 400
    default_message = "A field is missing, malformed or breaks a rule."

    def __init__(self, message: str, /, *, path: str = "$", **details: Any) -> None:
        super().__init__(message, path=path, **details)
