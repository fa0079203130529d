"""Reads the texts, QR codes and metadata of PDFs, with libraries that are independent of the code that writes them."""

from typing import NamedTuple

import pypdfium2
import zxingcpp


class PdfPage(NamedTuple):
    """The text of a page with its lines joined by spaces, and the texts of the codes on the page."""

    text: str
    codes: list[str]


def read(content: bytes) -> list[PdfPage]:
    """Return the pages of a PDF."""
    with pypdfium2.PdfDocument(content) as document:
        pages = []
        for page in document:
            text = " ".join(page.get_textpage().get_text_range().split())
            picture = page.render(scale=2, grayscale=True).to_pil()
            # Rows of letters can pass for a barcode of lines, so only QR codes are looked for.
            codes = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
            pages.append(PdfPage(text, [code.text for code in codes]))
        return pages


def row_colors(content: bytes, top: float) -> list[set[tuple[int, ...]]]:
    """Return the colors of each page in the row at `top`, in points from the upper edge."""
    with pypdfium2.PdfDocument(content) as document:
        pictures = [page.render(scale=4).to_pil().convert("RGB") for page in document]  # so that letters have pixels without blurred edges
    return [{picture.getpixel((left, int(4 * top))) for left in range(picture.width)} for picture in pictures]


def count_pages(content: bytes) -> int:
    """Return the number of pages of a PDF."""
    with pypdfium2.PdfDocument(content) as document:
        return len(document)


def facts(content: bytes) -> dict[str, str]:
    """Return the metadata of a PDF, such as its title and language."""
    with pypdfium2.PdfDocument(content) as document:
        return dict(document.get_metadata_dict(skip_empty=True))
