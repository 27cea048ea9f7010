"""Uploads of templates: the parts of a multipart form (RFC 7578), checked; the file stays on disk until needed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from json import JSONDecodeError

from fastapi import Request
from pydantic_core import PydanticCustomError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from app.api.depth import data_depth
from app.api.errors import pointer_step
from app.api.strict_json import may_repeat_a_key, repeated_key, strict_json
from app.api.template_schemas import MAX_OBJECT_BYTES, small_enough
from app.services.template_changes import NewVersion
from app.services.template_uploads import Upload, read_upload
from app.services.templates import NAME
from contracts.errors import Flaw, Invalid
from contracts.templates import ArchiveLimits, Visibility

PARTS = ("name", "file", "sample", "visibility", "publish")
VISIBILITIES: dict[str, Visibility] = {"private": "private", "shared": "shared"}
BOOLEANS = {"true": True, "false": False}
#: More parts than an upload can have: the one that is too much can still be named.
MOST_PARTS = 16


@asynccontextmanager
async def upload_form(request: Request, limits: ArchiveLimits) -> AsyncIterator["UploadedForm"]:
    """Read a form; its file is gone when the block ends. Raises Invalid."""
    async with _read(request) as form:
        yield UploadedForm(await _texts(form), form.get("file"), limits)


@asynccontextmanager
async def _read(request: Request) -> AsyncIterator[FormData]:
    try:
        await request.form(max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=2 * MAX_OBJECT_BYTES)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise Invalid.at("", f"The form cannot be read: {error.detail}") from error
    async with request.form() as form:  # the same again: it closes the files
        yield form


async def _texts(form: FormData) -> dict[str, str]:
    """Return the parts that are no file. Raises Invalid for unknown parts and those given twice."""
    names = [name for name, _ in form.multi_items()]
    flaws = [
        Flaw(pointer_step(name), "There is no such part here.", "unknown_field") for name in names if name not in PARTS
    ]
    twice = sorted({name for name in names if names.count(name) > 1 and name in PARTS})
    flaws += [Flaw(pointer_step(name), "This part is given twice.", "repeated_parameter") for name in twice]
    if flaws:
        raise Invalid(*flaws)
    return {name: await _text(name, value) for name, value in form.items() if name != "file"}


async def _text(name: str, value: UploadFile | str) -> str:
    if isinstance(value, str):
        return value
    if (value.size or 0) > 2 * MAX_OBJECT_BYTES:
        raise Invalid.at(pointer_step(name), f"At most {MAX_OBJECT_BYTES} bytes are kept.", "too_large")
    try:
        return (await value.read()).decode()
    except UnicodeDecodeError:
        raise Invalid.at(pointer_step(name), "This part is not UTF-8 text.") from None


class UploadedForm:
    """What came; each property raises Invalid for what is wrong with it."""

    def __init__(self, texts: dict[str, str], file: UploadFile | str | None, limits: ArchiveLimits) -> None:
        self._texts = texts
        self._file = file
        self._limits = limits

    def name(self) -> str:
        if "name" not in self._texts:
            raise Invalid.at("/name", "The part `name` is missing.", "missing")
        if not NAME.fullmatch(self._texts["name"]):
            raise Invalid.at("/name", "A name has 1 to 64 of the characters a-z, 0-9 and -.")
        return self._texts["name"]

    def require_name(self, name: str) -> None:
        """Refuse another template's name: a version belongs to the template of the path."""
        if self._texts.get("name", name) != name:
            raise Invalid.at("/name", f"This is a version of {name!r}: leave the name out.")

    def new_version(self) -> NewVersion:
        return NewVersion(self._reader(), self._sample(), self._visibility(), publish=self.publish() or False)

    def publish(self) -> bool | None:
        text = self._texts.get("publish")
        if text is not None and text not in BOOLEANS:
            raise Invalid.at("/publish", "publish is true or false.")
        return None if text is None else BOOLEANS[text]

    def _reader(self) -> "Reader":
        if self._file is None:
            raise Invalid.at("/file", "The part `file` is missing.", "missing")
        if isinstance(self._file, str) or not self._file.filename:
            raise Invalid.at("/file", 'Send the file with its name, which says what it is: filename="letter.docx".')
        return Reader(self._file, self._limits)

    def _visibility(self) -> Visibility | None:
        text = self._texts.get("visibility")
        if text is not None and text not in VISIBILITIES:
            raise Invalid.at("/visibility", "visibility is private or shared.")
        return None if text is None else VISIBILITIES[text]

    def _sample(self) -> dict[str, object] | None:
        text = self._texts.get("sample")
        if text is None:
            return None
        body = text.encode()
        try:
            value = strict_json(body)
        except JSONDecodeError as error:
            raise Invalid.at("/sample", f"The sample is not JSON: {error.msg}.") from error
        if not isinstance(value, dict):
            raise Invalid.at("/sample", "The sample is a JSON object.")
        if may_repeat_a_key(body, value) and (pointer := repeated_key(body)) is not None:
            raise Invalid.at(f"/sample{pointer}", "This key is given twice in the same object.", "duplicate_key")
        try:
            return small_enough(data_depth(value))
        except PydanticCustomError as error:
            raise Invalid.at("/sample", error.message(), "too_large") from error


class Reader:
    """Reads the uploaded file into a bundle, when there is room for it in memory."""

    def __init__(self, file: UploadFile, limits: ArchiveLimits) -> None:
        self._file = file
        self._limits = limits

    def __call__(self) -> Upload:
        self._file.file.seek(0)
        return read_upload(self._file.filename or "", self._file.file.read(), self._limits)
