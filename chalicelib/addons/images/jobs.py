"""Lambda functions for images: one processes files uploaded to the bucket, the other deletes unreferenced files."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.addons.images import service
from chalicelib.edge import scheduled
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock, deadline, ids, log
from chalicelib.foundation.log import logger

bp = Blueprint(__name__)

_CLEAN = "NO_THREATS_FOUND"


@bp.lambda_function(name="process_image")
def process_image(event: Any, context: Any) -> None:
    """Process a file under `uploads/`. EventBridge calls this function once the file is stored or, if the stage scans files, scanned."""
    with log.scope(ids.new_id()), deadline.within(scheduled.lambda_seconds(context)):
        key = _stored_key(event["detail"])
        if key is not None:
            service.process_upload(key, clock.now())


@scheduled_job(bp, "clean_images", minutes=24 * 60, description="Deletes unused image files.")
def clean_images() -> dict[str, Any]:
    return {"deleted": service.delete_unused(clock.now())}


def _stored_key(detail: dict[str, Any]) -> str | None:
    """Return the name of the file. Returns None if GuardDuty did not find the file clean; the bucket deletes such a file after a day."""
    if "scanResultDetails" not in detail:
        return str(detail["object"]["key"])
    key = str(detail["s3ObjectDetails"]["objectKey"])
    status = detail["scanResultDetails"]["scanResultStatus"]
    if status == _CLEAN:
        return key
    logger.warning("image.not_clean", key=key, status=status)
    return None
