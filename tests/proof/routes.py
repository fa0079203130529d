"""Each route that changes something, with its request from tests/access: a new route needs no entry here.

The shop is the one of tests/access. If a route needs it, the shop also has an event that the API created.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from chalicelib.foundation import clock, memory, outbound_http
from tests import builders, seeds
from tests.access.test_table import OPERATIONS
from tests.access.world import CALLERS as ACCOUNTS
from tests.access.world import PROMOTER, World, new_world
from tests.client import ClientReply
from tests.proof import people, rooms
from tests.proof.harness import Flow
from tests.proof.scenes import StoredScene
from tests.simulation.moments import Moment
from tests.simulation.randomness import repeatable_randomness

CALLERS = ("user", "promoter", "admin")  # the first who succeeds makes the request


class RouteScene(StoredScene):
    """A request to a route. `send` sends it, also again."""

    def __init__(self, world: World, time: Any, request: dict[str, Any]) -> None:
        super().__init__(world.api, time)
        self._request = request

    def send(self) -> ClientReply:
        return self.api.request(**self._request)


def _create_event(world: World) -> None:
    """Create an event of the promoter by the API, with a package that has an option. Requests are about it from then on."""
    fields = {"name": "Fest", "venue": "Hall", "starts_at": clock.iso(clock.now() + 86_400), "on_sale_at": clock.iso(clock.now() - 60)}
    event_id = world.ids["event_id"] = _post(world, "/events", **fields, waiting_room={"enabled": False})
    packages = f"/admin/events/{event_id}/tickets/packages"
    package_id = world.ids["package_id"] = world.ids["tier_id"] = _post(world, packages, name="Table", price=50, quantity_limit=10)
    world.ids["option_id"] = _post(world, f"{packages}/{package_id}/options", label="Dinner", option_type="boolean")


def _publish(world: World) -> None:
    _post(world, f"/events/{world.ids['event_id']}/publish")


def _post(world: World, path: str, **body: Any) -> str:
    """Send a request of the promoter. Returns the id in the reply."""
    reply = world.api.post(path, json=body, token=builders.token(PROMOTER, "promoter"))
    assert reply.status < 300, reply.json
    return str(reply.json.get("id", ""))


@contextmanager
def _open_world() -> Iterator[World]:
    """Open a world. It is built once, with numbers of its own, so that no flow repeats the ids in it."""
    with ExitStack() as stack:
        with repeatable_randomness(seeds.first) as start_numbers:
            start_numbers("world")
            world = stack.enter_context(new_world())
        stack.enter_context(mock.patch.object(outbound_http, "post", people.Hosts().post))
        yield world


@contextmanager
def _open(time: Any, operation: str) -> Iterator[RouteScene]:
    method, path = operation.split(" ")
    with _open_world() as world:
        builders.verify_address(ACCOUNTS["promoter"].email)
        RouteScene(world, time, {}).follow_changes()
        memory.forget_everything()
        for prepare in (lambda _: None, _create_event, _publish):
            prepare(world)
            moment = Moment(time)
            for caller in CALLERS:
                scene = RouteScene(world, time, world.request(method, path, caller))
                succeeds = scene.send().status < 300
                moment.return_to()
                if succeeds:
                    yield scene
                    return
    raise AssertionError(f"{operation} succeeds for none of {CALLERS}: declare a flow that prepares what it needs, and add it to ELSEWHERE")


# Operations that need more than a valid request, and the flow that makes them.
ELSEWHERE = (
    people.ROUTES
    | rooms.ROUTES
    | {
        "POST /checkin": "admit a guest",
        "POST /events/{event_id}/bank-transfers": "record a transfer",
        "POST /events/{event_id}/bank-transfers/{order_id}/cancel": "cancel an order by bank transfer",
        "POST /orders/{order_id}/cancel": "cancel an order",
        "POST /tickets/{ticket_id}/undo": "undo a check-in",
        "POST /tickets/{ticket_id}/validate": "check in",
        "POST /webhooks/mollie": "Mollie: webhook",
        "POST /webhooks/stripe": "Stripe: webhook",
        "POST /admin/orders/{order_id}/refunds/{refund_id}/retry": "Stripe: refund retried by an admin",
        "POST /promoters/{promoter_id}/payment-account": "Stripe: connect an account",
        "DELETE /promoters/{promoter_id}/payment-account": "Stripe: remove an account, on an account",
    }
)

# Each of these requests has an effect of its own, such as a new link, a new session or a new room.
_NEVER_THE_SAME = {
    *(
        "POST /lost-tickets",
        "POST /auth/register",
        "POST /auth/email",
        "POST /auth/password/forgot",
        "POST /auth/email/resend",
        "POST /auth/login",
        "POST /auth/guest",
        "POST /auth/passkeys/challenge",
        "POST /promoters/{promoter_id}/api-keys",
    ),
    "DELETE /events/{event_id}/waiting-room/clear",
}

# An erasure deletes the account last, so that its owner can repeat it.
_FINISHED_BY_CLIENT = {"DELETE /auth/me"}

# What a repeated request may also get: nobody can use the password of an account that was just erased.
_ALSO = {"DELETE /auth/me": {403}}

FLOWS = {
    operation: Flow(
        partial(_open, operation=operation),
        [],
        "send",
        is_repeated=operation not in _NEVER_THE_SAME,
        also=_ALSO.get(operation, set()),
        is_finished_by_client=operation in _FINISHED_BY_CLIENT,
    )
    for operation in OPERATIONS
    if not operation.startswith("GET ") and operation not in ELSEWHERE
}
