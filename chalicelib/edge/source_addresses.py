"""The address that a request came from.

API Gateway knows who called it. Where the CDN is in front of it, that is the CDN: it passes the viewer's address on in a header, with a
key that only it and we know. A client can write the header too, but not the key.
"""

import hmac

from chalice.app import Request as ChaliceRequest

from chalicelib.foundation import secret_settings

VIEWER_HEADER = "X-Viewer-Address"
KEY_HEADER = "X-Edge-Key"


def source_address(request: ChaliceRequest) -> str | None:
    """As text, and None if it is not known.

    Raises SettingsError or DeadlineExceeded if a key was sent and the secret cannot be read.
    """
    sent = request.headers.get(KEY_HEADER)
    if sent is not None:
        key = secret_settings.optional_secret("edge_key")
        if key and hmac.compare_digest(sent.encode(), key.encode()):
            viewer: str | None = request.headers.get(VIEWER_HEADER)
            return viewer
    caller: str | None = request.context.get("identity", {}).get("sourceIp")
    return caller
