"""Why a version is not applied again."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError


class PlanOutdated(ApiError):
    code: ClassVar[str] = "plan_outdated"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The plan for this version has changed since you saw it. Review the new plan, then apply it."


class VersionUnusable(ApiError):
    code: ClassVar[str] = "version_unusable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The file of this version breaks a current rule. Export it, correct it and apply it from the command line."
    )


class VersionRefused(ApiError):
    code: ClassVar[str] = "version_refused"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This version cannot be applied at the moment. `reasons` lists why and what to do."
