"""Pages are written by many threads at once: mails are composed so."""

from concurrent.futures import ThreadPoolExecutor

from chalicelib.addons.documents.pages import Cell, Pages

LETTERS = "".join(map(chr, range(0xC0, 0x17F)))


def write(number: int) -> bytes:
    pages = Pages("Threads", "en", 1_780_315_200)
    pages.write(Cell(LETTERS[number:]), Cell(LETTERS[: number + 1], weight="bold"))
    return pages.finish()


def test_documents_written_in_parallel_equal_those_in_sequence():
    numbers = [number % 40 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(write, numbers)) == [write(number) for number in numbers]
