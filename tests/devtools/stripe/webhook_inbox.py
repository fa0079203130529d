"""A webhook endpoint for tests: a function, or a server that calls it."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe


class WebhookInbox:
    """Keeps what it receives in `received`, and responds with `status`."""

    def __init__(self):
        self.status = 200
        self.received = []
        self.arrived = threading.Event()

    def __call__(self, body, headers):
        self.received.append((body, dict(headers)))
        self.arrived.set()
        return self.status

    @property
    def event_types(self):
        return [stripe.Webhook.construct_event_without_verification(body).type for body, _ in self.received]


@contextmanager
def serve(inbox):
    """Serve the inbox over HTTP; the value is its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status = inbox(self.rfile.read(int(self.headers["Content-Length"])), self.headers)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()


def verified_event(request, secret):
    """The event in the body, when the SDK accepts the signature. `request`: body and headers."""
    body, headers = request
    return stripe.Webhook.construct_event(body, headers.get("Stripe-Signature"), secret)
