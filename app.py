"""The Chalice app: registers blueprints, nothing else."""

from chalice.app import Chalice

from chalicelib.edge import api as edge_api

app = Chalice(app_name="fairgate")
app.api.binary_types = ["*/*"]

for blueprint in (edge_api.bp,):
    app.register_blueprint(blueprint, url_prefix="/v1")
