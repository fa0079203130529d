"""The profile by layer: a sample belongs to the innermost frame that is of a layer."""

import signal
import sys
from types import SimpleNamespace

import pytest

from bench import profile
from bench.profile import LAYERS, ROOT, Sampler, layer_of, report

PACKAGES = "/usr/lib/python3/site-packages"


@pytest.mark.parametrize(
    ("file", "layer"),
    [
        (f"{ROOT}/chalicelib/purchases/checkout/service.py", "our code"),
        (f"{ROOT}/chalicelib/dynamodb/dynamo.py", "our access to DynamoDB"),
        (f"{ROOT}/devtools/dynamodb/engine.py", "local engine"),
        (f"{ROOT}/devtools/dynamodb/journal.py", "journal"),
        (f"{PACKAGES}/pynamodb/models.py", "PynamoDB"),
        (f"{PACKAGES}/botocore/auth.py", "botocore and transport"),
        (f"{ROOT}/.venv/lib/python3.11/site-packages/chalice/app.py", "Chalice and the gateway"),
        (f"{ROOT}/infra/local/gateway.py", "Chalice and the gateway"),
        (f"{PACKAGES}/msgspec/json.py", None),
        ("/usr/lib/python3.11/json/encoder.py", None),
        ("/home/tests/chalicelib/x.py", None),
        ("<string>", None),
    ],
)
def test_each_file_has_its_layer(file, layer):
    assert layer_of(file) == layer


def frames(*files: str) -> object:
    """A stack, innermost frame first."""
    frame = None
    for file in reversed(files):
        frame = SimpleNamespace(f_code=SimpleNamespace(co_filename=file, co_qualname="f"), f_lineno=7, f_back=frame)
    return frame


def test_a_sample_belongs_to_the_innermost_frame_of_a_layer():
    sampler = Sampler()
    sampler.sample(0, frames("/usr/lib/python3.11/json/encoder.py", f"{ROOT}/chalicelib/foundation/log.py", f"{ROOT}/tests/client.py"))
    sampler.sample(0, frames("/usr/lib/python3.11/threading.py"))
    assert sampler.layers == {"our code": 1, "other": 1}
    assert sampler.lines == {("our code", "chalicelib/foundation/log.py:7 f"): 1}
    assert "our code                      50.0%    2.00 ms" in report(sampler, 4.0, 1)


@pytest.mark.parametrize("join", [False, True])
def test_purchases_and_joins_are_sampled(monkeypatch, tmp_path, join):
    # In the place of the timer, whose signals a busy machine may hold back, each call of a function takes a sample.
    handler = {}
    monkeypatch.setattr(profile, "WARM_UP_SECONDS", 0)
    monkeypatch.setattr(profile.signal, "signal", handler.__setitem__)
    monkeypatch.setattr(profile.signal, "setitimer", lambda _, seconds, *__: sys.setprofile(sample if seconds else None))

    def sample(frame, event, _):
        if event == "call":
            handler[signal.SIGPROF](signal.SIGPROF, frame)

    sampler, milliseconds = profile.profile(0.2, tmp_path, limits=True, join=join)
    assert milliseconds > 0
    assert set(LAYERS.values()) <= sampler.layers.keys()
