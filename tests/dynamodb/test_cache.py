"""One fetch at a time, and old data in place of an error. With real threads that wait for each other and never sleep."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.cache import OVERLAP_SECONDS, RETRY_SECONDS, TtlCache
from chalicelib.foundation import log

TIMEOUT = 60  # seconds until a test that hangs fails


class Source:
    """A store to fetch from: counts the fetches, and can be blocked or made to fail."""

    def __init__(self) -> None:
        self.fetched = 0
        self.error: BaseException | None = None
        self.entered, self.go = Event(), Event()
        self.go.set()

    def __call__(self) -> str:
        self.fetched += 1
        self.entered.set()
        assert self.go.wait(TIMEOUT)
        if self.error is not None:
            raise self.error
        return f"value {self.fetched}"


def counted(name: str) -> float:
    return log.total(name)


@pytest.fixture
def counts() -> Callable[[], dict[str, float]]:
    """How often hits, misses and stale values were counted since the test began."""
    names = ("cache_hit", "cache_miss", "cache_stale")
    before = {name: counted(name) for name in names}
    return lambda: {name.removeprefix("cache_"): counted(name) - before[name] for name in names}


def test_a_value_is_kept_for_its_ttl_and_no_longer(counts):
    cache, source = TtlCache(lambda: 10, counted=True), Source()
    assert [cache.get(now, "a", source) for now in (100, 109)] == ["value 1", "value 1"]
    assert cache.get(110, "a", source) == "value 2"
    assert cache.get(105, "a", source) == "value 3", "a clock that was set back does not make a value live longer"
    assert counts() == {"hit": 1, "miss": 3, "stale": 0}


def test_a_changed_dependency_fetches_again():
    cache, source = TtlCache(lambda: 10), Source()
    assert cache.get(100, "a", source) == "value 1"
    assert cache.get(100, "b", source) == "value 2"
    assert cache.get(100, "b", source) == "value 2"


def test_only_a_counted_cache_counts(counts):
    cache, source = TtlCache(lambda: 10), Source()
    cache.get(100, "a", source)
    cache.get(100, "a", source)
    assert counts() == {"hit": 0, "miss": 0, "stale": 0}


def test_concurrent_threads_share_one_fetch():
    cache, source, threads = TtlCache(lambda: 10), Source(), 16
    source.go.clear()
    start = Barrier(threads)

    def read(_: int) -> Any:
        start.wait(TIMEOUT)
        return cache.get(100, "a", source)

    with ThreadPoolExecutor(threads) as pool:
        answers = [pool.submit(read, number) for number in range(threads)]
        assert source.entered.wait(TIMEOUT)
        source.go.set()
        assert {answer.result(TIMEOUT) for answer in answers} == {"value 1"}
    assert source.fetched == 1


def test_threads_get_the_old_value_briefly_while_another_one_fetches(counts):
    cache, source = TtlCache(lambda: 10, counted=True), Source()
    cache.get(100, "a", source)
    source.go.clear()
    source.entered.clear()
    with ThreadPoolExecutor(2) as pool:
        fetching = pool.submit(cache.get, 110, "a", source)
        assert source.entered.wait(TIMEOUT)
        assert cache.get(109 + OVERLAP_SECONDS, "a", source) == "value 1"
        late = pool.submit(cache.get, 110 + OVERLAP_SECONDS, "a", source)
        source.go.set()
        assert [answer.result(TIMEOUT) for answer in (fetching, late)] == ["value 2"] * 2
    assert source.fetched == 2
    assert counts()["miss"] == 2


def test_an_error_without_an_old_value_is_raised_and_not_kept():
    cache, source = TtlCache(lambda: 10), Source()
    source.error = dynamo.StoreUnavailable("down")
    with pytest.raises(dynamo.StoreUnavailable):
        cache.get(100, "a", source)
    source.error = None
    assert cache.get(100, "a", source) == "value 2", "an error is not kept if there is no old value"


def test_the_old_value_serves_while_the_store_is_down(counts):
    cache, source = TtlCache(lambda: 10, counted=True), Source()
    cache.get(100, "a", source)
    source.error = dynamo.StoreUnavailable("down")
    assert cache.get(110, "a", source) == "value 1"
    assert cache.get(110, "a", source) == "value 1"
    assert source.fetched == 2
    assert cache.get(110 + RETRY_SECONDS, "b", source) == "value 1"
    assert source.fetched == 3
    source.error = None
    assert cache.get(110 + 2 * RETRY_SECONDS, "b", source) == "value 4"
    assert counts() == {"hit": 1, "miss": 2, "stale": 2}


@pytest.mark.parametrize("error", [KeyError("a bug"), NoCredentialsError()], ids=["bug", "credentials"])
def test_an_error_that_lasts_is_raised_despite_an_old_value(error):
    cache, source = TtlCache(lambda: 10), Source()
    cache.get(100, "a", source)
    source.error = error
    with pytest.raises(type(error)):
        cache.get(110, "a", source)


def test_a_value_forgotten_during_its_fetch_stays_forgotten():
    """The fetch began before the change: threads that waited for it get its value, later ones do not."""
    cache, source = TtlCache(lambda: 10), Source()
    source.go.clear()
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(cache.get, 100, "a", source)
        assert source.entered.wait(TIMEOUT)
        cache.forget()
        source.go.set()
        assert early.result(TIMEOUT) == "value 1"
    assert cache.get(100, "a", source) == "value 2"
    assert cache.get(100, "a", source) == "value 2"


def test_after_forgetting_there_is_no_old_value_even_if_the_store_is_down():
    cache, source = TtlCache(lambda: 10), Source()
    cache.get(100, "a", source)
    cache.forget()
    source.error = dynamo.StoreUnavailable("down")
    with pytest.raises(dynamo.StoreUnavailable):
        cache.get(100, "a", source)


def test_an_expired_value_is_fetched_again_and_returned_if_that_fails():
    cache, source = TtlCache(lambda: 10), Source()
    cache.expire()
    cache.get(100, "a", source)
    cache.expire()
    assert cache.get(100, "a", source) == "value 2"
    cache.expire()
    source.error = dynamo.StoreUnavailable("down")
    assert cache.get(100, "a", source) == "value 2"


def test_a_refetch_gets_what_the_source_has_now_and_keeps_it_or_raises():
    cache, source = TtlCache(lambda: 10), Source()
    cache.get(100, "a", source)
    assert cache.refetch(101, "a", source) == "value 2"
    assert cache.get(110, "a", source) == "value 2", "it is as old as the refetch"
    source.error = dynamo.StoreUnavailable("down")
    with pytest.raises(dynamo.StoreUnavailable):
        cache.refetch(102, "a", source)
    assert cache.get(102, "a", source) == "value 2"


@pytest.mark.parametrize("change", [TtlCache.forget, lambda cache: cache.put(100, "a", "newer")])
def test_a_refetch_that_began_before_a_change_is_not_kept(change):
    cache, source = TtlCache(lambda: 10), Source()
    cache.get(100, "a", source)
    source.entered.clear()
    source.go.clear()
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(cache.refetch, 100, "a", source)
        assert source.entered.wait(TIMEOUT)
        change(cache)
        source.go.set()
        assert early.result(TIMEOUT) == "value 2"
    assert cache.get(100, "a", source) in ("newer", "value 3")
