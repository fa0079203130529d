"""What a PDF says, and the QR codes on its pages, read by other programs than those that made it."""

from typing import NamedTuple

import pypdfium2
import zxingcpp


class PdfPage(NamedTuple):
    """The text of a page with its lines joined by spaces, and the texts of the codes on it."""

    text: str
    codes: list[str]


def read(content: bytes) -> list[PdfPage]:
    """The pages of a PDF."""
    with pypdfium2.PdfDocument(content) as document:
        pages = []
        for page in document:
            text = " ".join(page.get_textpage().get_text_range().split())
            picture = page.render(scale=2, grayscale=True).to_pil()
            pages.append(PdfPage(text, [code.text for code in zxingcpp.read_barcodes(picture)]))
        return pages


def count_pages(content: bytes) -> int:
    """How many pages a PDF has."""
    with pypdfium2.PdfDocument(content) as document:
        return len(document)


def facts(content: bytes) -> dict[str, str]:
    """The title, the language and so on that a PDF has about itself."""
    with pypdfium2.PdfDocument(content) as document:
        return dict(document.get_metadata_dict(skip_empty=True))
