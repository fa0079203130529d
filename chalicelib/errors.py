"""The one base of every error that a caller is meant to see."""

from typing import Any, ClassVar


class ApiError(Exception):
    """The request cannot be granted. Features raise small subclasses; `edge.respond` turns them into answers.

    `code` is for machines and never changes, `status` is the HTTP status, `message` is for people, and `facts` are put
    beside them in the answer's body (JSON-encodable values only).
    """

    code: ClassVar[str] = "bad_request"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The request cannot be granted."

    def __init__(self, message: str | None = None, /, **details: Any) -> None:
        self.message = message or self.default_message
        self.details = details
        super().__init__(self.message)


class NotFound(ApiError):
    code = "not_found"
    status = 404
    default_message = "There is nothing at this address."


class InvalidInput(ApiError):
    """A field is missing, malformed or against a rule; `path` names it as a JSON path (`$.quantity`)."""

    code = "invalid_input"
    status = 400

    def __init__(self, message: str, /, *, path: str = "$", **details: Any) -> None:
        super().__init__(message, path=path, **details)
