"""Form-encoded parameters."""

import json
import urllib.error
import urllib.request

import pytest

from tests.devtools.stripe.browser import OPENER

BROKEN = [b"a[b=1", b"a=1&a[b]=2", b"a[b]=2&a=1", b"%ff=1", b"&".join(b"a=%d" % n for n in range(1001))]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_malformed_forms_are_refused(fake, body):
    request = urllib.request.Request(f"{fake.url}/v1/refunds", data=body, headers={"Authorization": f"Bearer {fake.api_key}"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        OPENER.open(request, timeout=60)
    with caught.value as response:
        assert (response.status, json.loads(response.read())["error"]["type"]) == (400, "invalid_request_error")


def test_brackets_without_a_number(fake):
    body = b"amount=100&currency=usd&allowed_payment_method_types[]=card&expand[]=latest_charge"
    request = urllib.request.Request(f"{fake.url}/v1/payment_intents", data=body, headers={"Authorization": f"Bearer {fake.api_key}"})
    with OPENER.open(request, timeout=60) as response:
        assert json.loads(response.read())["payment_method_types"] == ["card"]
