"""Files that are uploaded as parts of forms (multipart/form-data, RFC 7578)."""

import io

from multipart import MultipartError, parse_form_data

from chalicelib.edge.error_replies import UnsupportedMediaType
from chalicelib.edge.operation import FormFile
from chalicelib.foundation.errors import InvalidInput

MAX_PARTS = 10
MAX_FIELD_BYTES = 64 * 1024


def read_file(content_type: str | None, body: bytes, file: FormFile) -> bytes:
    """Return the bytes of a form's file. Raises InvalidInput, which names the part, UnsupportedMediaType, or `file.too_large`."""
    if (content_type or "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType(
            f"Send the file as the part `{file.name}` of a form, with the header `Content-Type: multipart/form-data`."
        )
    environment = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    in_memory = {"memory_limit": len(body) + MAX_FIELD_BYTES, "spool_limit": len(body) + MAX_FIELD_BYTES}
    try:
        _, files = parse_form_data(environment, strict=True, part_limit=MAX_PARTS, **in_memory)
    except MultipartError:
        raise InvalidInput("The form is malformed or incomplete. Send it again.", path=f"$.{file.name}") from None
    found = files.getall(file.name)
    if len(found) != 1:
        raise InvalidInput(f"Send one file, as the part `{file.name}` of the form.", path=f"$.{file.name}")
    raw: bytes = found[0].raw
    if len(raw) > file.max_bytes:
        raise file.too_large()
    return raw
