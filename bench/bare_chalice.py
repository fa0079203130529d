"""A Chalice app with one handler that does nothing: what Chalice itself costs."""

from chalice.app import Chalice

PATH = "/v1/bare/x"


def create_app() -> Chalice:
    app = Chalice(app_name="bare", configure_logs=False)

    @app.route("/v1/bare/{name}")
    def bare(name: str) -> dict[str, str]:
        return {"name": name}

    return app
