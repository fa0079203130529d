"""Rules of the published formats: Apple's pass.json, and Google's EventTicketClass and EventTicketObject."""

import re
from datetime import datetime
from typing import Any

GOOGLE_ID = re.compile(r"\d+\.[A-Za-z0-9._-]+")
COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def check_pass(content: dict[str, Any]) -> None:
    """Check a pass.json: the required keys, the types of the others, and that there are no unknown keys."""
    required = {"formatVersion", "passTypeIdentifier", "serialNumber", "teamIdentifier", "organizationName", "description"}
    texts = required - {"formatVersion"} | {"authenticationToken", "webServiceURL", "groupingIdentifier"}
    colors, dates = {"backgroundColor", "foregroundColor", "labelColor"}, {"relevantDate", "expirationDate"}
    others = {"eventTicket", "voided", "sharingProhibited", "barcodes"}
    assert required <= content.keys() <= required | texts | colors | dates | others, content.keys()
    assert content["formatVersion"] == 1
    assert all(isinstance(content[key], str) and content[key] for key in texts & content.keys())
    assert len(content["authenticationToken"]) >= 16
    assert re.match(r"https?://", content["webServiceURL"])
    assert all(re.fullmatch(r"rgb\(\d{1,3}, \d{1,3}, \d{1,3}\)", content[key]) for key in colors & content.keys())
    assert all(datetime.fromisoformat(content[key]).tzinfo for key in dates & content.keys())
    for barcode in content.get("barcodes", []):
        assert barcode.keys() >= {"format", "message", "messageEncoding"}
        assert barcode["format"] in ("PKBarcodeFormatQR", "PKBarcodeFormatPDF417", "PKBarcodeFormatAztec", "PKBarcodeFormatCode128")
        barcode["message"].encode(barcode["messageEncoding"])
    groups = {"headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "backFields"}
    assert content["eventTicket"].keys() <= groups
    fields = [field for group in content["eventTicket"].values() for field in group]
    assert len({field["key"] for field in fields}) == len(fields)
    for field in fields:
        known = {"key", "value", "label", "changeMessage", "dateStyle", "timeStyle", "ignoresTimeZone"}
        assert {"key", "value"} <= field.keys() <= known, field
        assert "%@" in field.get("changeMessage", "%@")
        if "dateStyle" in field:
            assert datetime.fromisoformat(field["value"]).tzinfo


def check_class(content: dict[str, Any], *, is_new: bool) -> None:
    """Check an EventTicketClass. `eventName`, `issuerName` and `reviewStatus` are required in a new one."""
    optional = {"eventId", "venue", "dateTime", "hexBackgroundColor", "logo", "multipleDevicesAndHoldersAllowedStatus"}
    required = {"id", "issuerName", "reviewStatus", "eventName"}
    assert content.keys() <= required | optional
    assert not is_new or required <= content.keys()
    assert not is_new or None not in content.values()
    if content.get("logo"):
        assert content["logo"].keys() <= {"sourceUri", "contentDescription"}
        assert content["logo"]["sourceUri"].keys() == {"uri"}
        assert content["logo"]["sourceUri"]["uri"].startswith("https://")
    assert GOOGLE_ID.fullmatch(content["id"])
    assert content["reviewStatus"] in ("DRAFT", "UNDER_REVIEW")  # the others are Google's to set
    _check_localized(content["eventName"])
    assert content["venue"].keys() == {"name", "address"}  # both are required in a venue
    for text in content["venue"].values():
        _check_localized(text)
    assert content["dateTime"].keys() <= {"doorsOpen", "start", "end", "doorsOpenLabel"}
    assert all(datetime.fromisoformat(text) for text in content["dateTime"].values())
    assert COLOR.fullmatch(content["hexBackgroundColor"])
    assert content["multipleDevicesAndHoldersAllowedStatus"] in ("MULTIPLE_HOLDERS", "ONE_USER_ALL_DEVICES", "ONE_USER_ONE_DEVICE")


def check_object(content: dict[str, Any], *, is_new: bool) -> None:
    """Check an EventTicketObject. Null removes a field, so it may only be in a PATCH."""
    optional = {"ticketHolderName", "ticketNumber", "ticketType", "reservationInfo", "groupingInfo", "passConstraints", "rotatingBarcode"}
    assert {"id", "classId", "state"} <= content.keys() <= {"id", "classId", "state"} | optional
    assert GOOGLE_ID.fullmatch(content["id"])
    assert GOOGLE_ID.fullmatch(content["classId"])
    assert content["state"] in ("ACTIVE", "COMPLETED", "EXPIRED", "INACTIVE")
    assert not is_new or None not in content.values()
    if content.get("ticketType"):
        _check_localized(content["ticketType"])
    assert content.get("passConstraints", {}).keys() <= {"screenshotEligibility", "nfcConstraint"}
    assert content.get("groupingInfo", {}).keys() <= {"groupingId", "sortIndex"}
    if barcode := content.get("rotatingBarcode"):
        assert barcode.keys() <= {"type", "renderEncoding", "valuePattern", "totpDetails", "alternateText", "showCodeText"}
        assert barcode["type"] == "QR_CODE"
        details = barcode["totpDetails"]
        assert details["algorithm"] == "TOTP_SHA1"
        assert isinstance(details["periodMillis"], str)  # int64 is text in JSON
        assert int(details["periodMillis"]) >= 1000
        used = {int(number) for number in re.findall(r"\{totp_value_(\d)\}", barcode["valuePattern"])}
        assert used == set(range(len(details["parameters"])))
        for parameter in details["parameters"]:
            bytes.fromhex(parameter["key"])
            assert parameter["valueLength"] in range(1, 10)


def _check_localized(text: dict[str, Any]) -> None:
    assert text.keys() <= {"defaultValue", "translatedValues"}
    for each in (text["defaultValue"], *text.get("translatedValues", [])):
        assert each.keys() == {"language", "value"}
        assert each["value"]
