"""Pages are written by many threads at once: mails are composed so."""

from concurrent.futures import ThreadPoolExecutor

from chalicelib.documents.pages import Cell, Pages

LETTERS = "".join(map(chr, range(0xC0, 0x17F)))


def write(number: int) -> bytes:
    pages = Pages("Threads", "en", 1_780_315_200)
    pages.write(Cell(LETTERS[number:]), Cell(LETTERS[: number + 1], weight="bold"))
    return pages.finish()


def test_documents_that_are_written_at_once_are_those_that_are_written_one_after_the_other():
    numbers = [number % 40 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(write, numbers)) == [write(number) for number in numbers]
