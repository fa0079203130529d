import time
import cProfile, pstats
from tests.proof.day import make_plan, run_day
import os

def test_day():
    began = time.perf_counter()
    plan = make_plan(int(os.environ.get("S", 1)), buyers=int(os.environ.get("B", 100)), hours=float(os.environ.get("H", 2)))
    p = cProfile.Profile() if os.environ.get("P") else None
    if p: p.enable()
    try:
        report = run_day(plan)
        print(report.purchases, report.calls, report.faults, report.digest)
        for k, v in sorted(report.replies.items()): print(k, v)
    finally:
        if p: p.disable(); pstats.Stats(p).sort_stats("cumtime").print_stats(45)
        print(time.perf_counter() - began)
