"""The Chalice app. It registers middleware, the blueprints of the core and the add-ons, the slug resolver and the SnapStart hook.

Lambda imports this module only for requests. The handler of a job is the function in the job's own module, so nothing that is registered
here applies to jobs.
"""

import gc
import os
import sys
from collections.abc import Callable
from functools import cache

if "AWS_CHALICE_CLI_MODE" in os.environ and "local" in sys.argv:  # `chalice local`, which gets the local store; never on Lambda
    from infra.local import chalice_local

    chalice_local.prepare()

# Imports create almost no garbage, but the collector would examine the imported objects again and again as their number grows. That would
# take a tenth of the processor time of a cold start.
gc.disable()

from chalice.app import Chalice, Request, Response

# This imports AWS's SDK at a shallow call depth, before other modules import it. Python 3.11 keeps call frames in chunks, and allocates a
# chunk for every call that crosses the end of one. Deep inside other imports, the SDK's import would make 3,000 such calls (25 ms).
from chalicelib.dynamodb import dynamo  # noqa: F401  # isort: skip

from chalicelib.accounts import api as accounts_api
from chalicelib.accounts import service as accounts
from chalicelib.catalog import api as catalog_api
from chalicelib.catalog import event_management, search
from chalicelib.edge import auth, cors, error_replies, operation
from chalicelib.foundation import addons, memory
from chalicelib.notifications import api as notifications_api
from chalicelib.notifications import service as notifications
from chalicelib.promoters import service as promoters
from chalicelib.purchases import api as purchases_api
from chalicelib.purchases import orders_api, queries
from chalicelib.tickets import api as tickets_api
from chalicelib.waiting_room import api as waiting_room_api
from chalicelib.waiting_room import service as waiting_room

app = Chalice(app_name="fairgate", configure_logs=False)  # chalicelib.foundation.log owns the logger of this name
app.api.binary_types = ["*/*"]  # any reply may be compressed, and any request may be a form with a file
app.register_middleware(error_replies.reshape_errors, "http")  # Chalice's own errors get the format of ours
app.register_middleware(cors.answer_preflights, "http")  # instead of Chalice's 405; its own `cors` allows only one fixed origin

for module in (accounts_api, catalog_api, waiting_room_api, tickets_api, purchases_api, orders_api, notifications_api):
    app.register_blueprint(module.bp, url_prefix="/v1")


@cache
def register_other_blueprints() -> None:
    """Register the jobs, and the routes that buyers rarely or never use. A repeated call does nothing.

    All imports come first: if one fails, nothing has been registered, so the next request can call this function again.
    """
    from chalicelib.admin import api as admin_api
    from chalicelib.bootstrap_file import api as bootstrap_file_api
    from chalicelib.changes import jobs as changes_jobs
    from chalicelib.checkin import api as checkin_api
    from chalicelib.edge import api as edge_api
    from chalicelib.privacy import api as privacy_api
    from chalicelib.promoters import api as promoters_api
    from chalicelib.promotions import api as promotions_api
    from chalicelib.purchases import box_office_api
    from chalicelib.purchases import jobs as purchases_jobs
    from chalicelib.reconciliation import jobs as reconciliation_jobs

    # FAIRGATE_ADDONS is the only setting that is read before the first request, because it decides which routes and functions the app has.
    addon_apis, addon_jobs = addons.import_route_modules(), addons.import_job_modules()
    for module in (
        edge_api,
        bootstrap_file_api,
        promoters_api,
        promotions_api,
        checkin_api,
        box_office_api,
        privacy_api,
        admin_api,
        *addon_apis,
    ):
        app.register_blueprint(module.bp, url_prefix="/v1")
    for module in (purchases_jobs, reconciliation_jobs, changes_jobs, *addon_jobs):
        app.register_blueprint(module.bp)


def register_for_request(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Register the other blueprints once a request arrives for one of their routes. A middleware of Chalice.

    A preflight also registers them, because its reply lists all methods of the path.
    """
    if request.method not in app.routes[request.context["resourcePath"]]:  # Chalice's defaultdict: an unknown path has no methods
        register_other_blueprints()
    return get_response(request)


# Somebody, usually a buyer, waits while an on-demand instance starts, so the code of the other routes is loaded only when it is needed
# (decision 244).
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "on-demand":
    app.register_middleware(register_for_request, "http")
else:
    register_other_blueprints()

auth.register_api_key_lookup(promoters.identify_api_key)
operation.register_resolver("event_id", search.resolve_event_id)  # paths also take an event's slug
# This check refuses to postpone an opening if the random number for its draw is public, but the draw has not been made.
event_management.register_opening_change_check(waiting_room.check_opening_change)
# Once the stage has reached its limit for emails that anybody can request, only addresses that are verified or have paid still get them.
notifications.register_mail_limit_exemption(accounts.is_verified)
notifications.register_mail_limit_exemption(queries.has_paid_order)
memory.register_snapstart_renewal()  # an instance that starts from a snapshot seeds `random` again, and forgets its caches
gc.freeze()  # later collections leave out the imported objects, so they are short
gc.enable()
