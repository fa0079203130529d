"""Base classes of the errors that callers of the API see.

To add an error code, define a subclass of `ApiError` beside the code that raises it, and name the subclass in the `errors` of its routes.
"""

from typing import Any, ClassVar


class ApiError(Exception):
    """A refused request. Features raise subclasses; `edge.error_replies` turns them into replies.

    `code` is for programs and never changes; `status` is the HTTP status; `message` is for people. `details` are additional keys in the
    reply's JSON body. `is_mistake` means that people typed something wrong, which does not count toward their rate limit. `setup_error`
    names what somebody has to correct first; callers of the API then get `not_set_up` instead of this error.
    """

    code: ClassVar[str] = "bad_request"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The request was refused."
    is_mistake: ClassVar[bool] = False
    setup_error: str | None = None

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

    For fields that people type, `rule` names the broken rule, so that pages can explain the rule in any language, and `limit` is the number
    in the rule, if the rule has one.
    """

    code = "invalid_input"
    status = 400
    default_message = "A field is missing, malformed or breaks a rule."
    is_mistake = True

    def __init__(self, message: str, /, *, path: str = "$", **details: Any) -> None:
        super().__init__(message, path=path, **details)
