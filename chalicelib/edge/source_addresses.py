"""The address that a request came from.

API Gateway reports the address of its caller. If a request comes through the CDN, the caller is the CDN, which sends the viewer's address
in a header, together with a key that only the CDN and the API know. A client can send the header too, but it does not know the key.
"""

import hmac

from chalice.app import Request as ChaliceRequest

from chalicelib.foundation import secret_settings

VIEWER_HEADER = "X-Viewer-Address"
KEY_HEADER = "X-Edge-Key"


def source_address(request: ChaliceRequest) -> str | None:
    """Return the address as text, or None if it is unknown.

    Raises SettingsError or DeadlineExceeded if the request has a key and the CDN's key cannot be read.
    """
    sent = request.headers.get(KEY_HEADER)
    if sent is not None:
        key = secret_settings.optional_secret("edge_key")
        if key and hmac.compare_digest(sent.encode(), key.encode()):
            viewer: str | None = request.headers.get(VIEWER_HEADER)
            return viewer
    caller: str | None = request.context.get("identity", {}).get("sourceIp")
    return caller
