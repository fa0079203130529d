"""Why a version is not applied again."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError


class PlanOutdated(ApiError):
    code: ClassVar[str] = "plan_outdated"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "What this version would change is no longer what you have seen. Look at its plan again."


class VersionUnusable(ApiError):
    code: ClassVar[str] = "version_unusable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The file of this version breaks a rule of today. Export it, correct it and apply it by the command."


class VersionRefused(ApiError):
    code: ClassVar[str] = "version_refused"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This version cannot be applied as things are now. `reasons` say why and what to do."
