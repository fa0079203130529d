"""The Chalice app: registers blueprints, nothing else."""

from chalice.app import Chalice

from chalicelib.admin import api as admin_api
from chalicelib.edge import api as edge_api
from chalicelib.purchases import api as purchases_api
from chalicelib.purchases import jobs as purchases_jobs

app = Chalice(app_name="fairgate")
app.api.binary_types = ["*/*"]

for routes in (edge_api.bp, purchases_api.bp, admin_api.bp):
    app.register_blueprint(routes, url_prefix="/v1")

app.register_blueprint(purchases_jobs.bp)
