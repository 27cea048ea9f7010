"""Previews: a page of a PDF becomes a PNG inside a confined render process."""

import struct
import zlib
from collections.abc import AsyncIterator

import pytest

from contracts.errors import DocumentFailed
from contracts.templates import ENGINES, TemplateBundle
from generator.core import Engines, RenderRequest, generate
from generator.renderers.raster import MAX_HEIGHT, bundle_of, png, preview_request
from generator.sandbox import RenderPool, SandboxLimits

TWO_PAGES = b'#set page(width: 200pt, height: 100pt, fill: rgb("#ff0000"))\nOne #pagebreak() Two'


def pdf_of(source: bytes, engines: Engines) -> bytes:
    return generate(RenderRequest(TemplateBundle.of_file("typst", source), b"{}", "pdf"), engines).content


def size_of(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return int(width), int(height)


def first_pixel(picture: bytes) -> tuple[int, ...]:
    length = struct.unpack(">I", picture[33:37])[0]
    return tuple(zlib.decompress(picture[41 : 41 + length])[1:4])


def test_a_page_is_drawn_as_wide_as_asked(engines: Engines) -> None:
    picture = generate(preview_request(bundle_of(pdf_of(TWO_PAGES, engines)), 2, 300), engines).content
    assert size_of(picture) == (300, 150)
    assert first_pixel(picture) == (255, 0, 0)


def test_pages_differ(engines: Engines) -> None:
    bundle = bundle_of(pdf_of(TWO_PAGES, engines))
    first, second = (generate(preview_request(bundle, page, 300), engines).content for page in (1, 2))
    assert first != second


def test_a_page_beyond_the_last_is_an_error(engines: Engines) -> None:
    bundle = bundle_of(pdf_of(TWO_PAGES, engines))
    for page in (0, 3):
        with pytest.raises(DocumentFailed, match=f"there is no page {page}"):
            generate(preview_request(bundle, page, 300), engines)


def test_what_is_no_pdf_is_an_error_that_says_so(engines: Engines) -> None:
    with pytest.raises(DocumentFailed, match="does not open"):
        generate(preview_request(bundle_of(b"%PDF-1.7 nonsense"), 1, 300), engines)


def test_a_very_long_page_makes_a_bounded_picture(engines: Engines) -> None:
    long = pdf_of(b"#set page(width: 10pt, height: 14000pt, margin: 0pt)\n.", engines)
    assert size_of(generate(preview_request(bundle_of(long), 1, 2000), engines).content)[1] <= MAX_HEIGHT + 1


def test_rows_are_written_without_their_padding() -> None:
    pixels = memoryview(bytes([1, 2, 3, 0, 4, 5, 6, 0]))
    picture = png(1, 2, pixels, stride=4)
    assert size_of(picture) == (1, 2)
    length = struct.unpack(">I", picture[33:37])[0]
    assert zlib.decompress(picture[41 : 41 + length]) == bytes([0, 1, 2, 3, 0, 4, 5, 6])


def test_no_template_can_name_the_engine() -> None:
    assert "raster" not in ENGINES


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    made = RenderPool(SandboxLimits(workers=1, spare=0))
    await made.start()
    yield made
    await made.close()


async def test_a_confined_process_draws_pages_and_goes_on_rendering(pool: RenderPool, engines: Engines) -> None:
    assert pool.confined
    [before] = pool.children
    picture = await pool.render(preview_request(bundle_of(pdf_of(TWO_PAGES, engines)), 1, 400))
    assert size_of(picture.content) == (400, 200)
    document = RenderRequest(TemplateBundle.of_file("typst", b"Hello"), b"{}", "pdf")
    assert (await pool.render(document)).pages == 1
    [after] = pool.children
    assert (after.pid, after.renders) == (before.pid, 2)
