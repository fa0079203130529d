"""The Chalice app: registers blueprints and middleware, nothing else."""

from chalice.app import Chalice

from chalicelib.admin import api as admin_api
from chalicelib.catalog import api as catalog_api
from chalicelib.edge import api as edge_api
from chalicelib.edge import error_middleware
from chalicelib.purchases import api as purchases_api
from chalicelib.purchases import jobs as purchases_jobs
from chalicelib.reconciliation import jobs as reconciliation_jobs
from chalicelib.tickets import api as tickets_api
from chalicelib.waiting_room import api as waiting_room_api

app = Chalice(app_name="fairgate", configure_logs=False)  # chalicelib.log owns the logger of this name
app.api.binary_types = ["*/*"]
app.register_middleware(error_middleware.reshape_errors, "http")

for routes in (edge_api.bp, catalog_api.bp, waiting_room_api.bp, tickets_api.bp, purchases_api.bp, admin_api.bp):
    app.register_blueprint(routes, url_prefix="/v1")

app.register_blueprint(purchases_jobs.bp)
app.register_blueprint(reconciliation_jobs.bp)
