"""Fonts: their names are read with every offset checked, and a template gets those that it names."""

import hashlib
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.fonts import FRESH_S, FontService
from app.services.records import font_quota
from contracts.errors import Conflict, Invalid, NotFound
from contracts.fonts import SHIPPED_FONTS, BadFont, FontFace, faces_of, font_key, font_record_key, kind_of_font
from contracts.ids import new_id
from generator.renderers.registry import FONTS
from tests.fakes_blobs import InMemoryBlobStore

ANN, BOB = new_id(), new_id()


def a_font(family: str = "Brand", style: str = "Bold", *, typographic: str = "") -> bytes:
    """Make a file with the tables of a font, of which only the names are real."""
    names = {1: family, 2: style} | ({16: typographic} if typographic else {})
    strings = [(number, text.encode("utf-16-be")) for number, text in names.items()]
    records, joined = b"", b""
    for number, raw in strings:
        records += struct.pack(">HHHHHH", 3, 1, 0x409, number, len(raw), len(joined))
        joined += raw
    name = struct.pack(">HHH", 0, len(strings), 6 + len(records)) + records + joined
    tables = {b"cmap": b"1234", b"glyf": b"1234", b"head": b"1234", b"name": name}
    at = 12 + 16 * len(tables)
    directory, bodies = b"", b""
    for tag, body in tables.items():
        directory += struct.pack(">4sIII", tag, 0, at + len(bodies), len(body))
        bodies += body
    return b"\x00\x01\x00\x00" + struct.pack(">HHHH", len(tables), 0, 0, 0) + directory + bodies


def a_collection(font: bytes, count: int = 1) -> bytes:
    """Wrap a font so that all of its offsets stay right: it comes first, its header points to it."""
    header = b"ttcf" + struct.pack(">HHI", 1, 0, count)
    moved = 12 + 4 * count
    body = bytearray(font)
    (tables,) = struct.unpack_from(">H", font, 4)
    for number in range(tables):
        (offset,) = struct.unpack_from(">I", font, 12 + 16 * number + 8)
        struct.pack_into(">I", body, 12 + 16 * number + 8, offset + moved)
    return header + struct.pack(f">{count}I", *[moved] * count) + bytes(body)


def test_what_ships_is_what_is_listed() -> None:
    files = [path for path in FONTS.iterdir() if path.suffix in (".ttf", ".otf")]
    listed = {font.file: font for font in SHIPPED_FONTS if font.file}
    assert set(listed) == {path.name for path in files}
    for path in files:
        content, font = path.read_bytes(), listed[path.name]
        face = faces_of(content)[0]
        assert (font.family, font.style) == (face.families[0], face.style)
        assert (font.size, font.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_names_are_read_the_typographic_family_first() -> None:
    assert faces_of(a_font()) == [FontFace(("Brand",), "Bold")]
    assert faces_of(a_font("Brand Black", typographic="Brand"))[0].families == ("Brand", "Brand Black")
    assert faces_of(a_collection(a_font(), 3)) == [FontFace(("Brand",), "Bold")] * 3
    assert [kind_of_font(content) for content in (a_font(), a_collection(a_font()), b"OTTO")] == ["ttf", "ttc", "otf"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"OTTO",
        b"wOF2" + bytes(100),
        a_font()[:80],
        a_font().replace(b"glyf", b"junk"),
        a_font(""),
        a_font("\u0007bell"),
        a_font("x" * 200),
        b"ttcf" + struct.pack(">HHI", 1, 0, 2**31),
        b"\x00\x01\x00\x00" + struct.pack(">HHHH", 65_535, 0, 0, 0),
        a_collection(a_font())[:14],
    ],
)
def test_what_is_no_font_is_refused(content: bytes) -> None:
    with pytest.raises(BadFont):
        faces_of(content)


@given(st.binary(max_size=40), st.integers(0, 150), st.booleans())
def test_damaged_fonts_are_refused_or_read_and_never_crash(noise: bytes, at: int, collection: bool) -> None:
    whole = a_collection(a_font(), 2) if collection else a_font()
    try:
        assert faces_of(whole[:at] + noise + whole[at + len(noise) :])
    except BadFont:
        return


@pytest.fixture
def fonts() -> FontService:
    return FontService(InMemoryBlobStore())


async def test_a_template_gets_the_fonts_that_it_names(fonts: FontService) -> None:
    await fonts.add(ANN, a_font("Brand", "Bold"), "private")
    await fonts.add(ANN, a_font("Brand", "Regular"), "private")
    await fonts.add(ANN, a_font("Other"), "private")
    found = await fonts.fonts_for(ANN, ['#set text(font: ("brand", "Inter"))', "= Other"])
    assert set(found.values()) == {a_font("Brand", "Bold"), a_font("Brand", "Regular")}
    assert all(Path(name).suffix == ".ttf" and name.startswith("fonts/") for name in found)
    assert await fonts.fonts_for(BOB, ['"Brand"']) == {}


async def test_a_font_is_its_owners_unless_it_is_shared(fonts: FontService) -> None:
    record = await fonts.add(ANN, a_font(), "private")
    assert [seen.sha256 for seen in await fonts.visible_to(ANN)] == [record.sha256]
    assert await fonts.visible_to(BOB) == [] and len(await fonts.visible_to(None)) == 1
    shared = await fonts.add(ANN, a_font(), "shared")
    assert shared.created_at == record.created_at
    assert [seen.visibility for seen in await fonts.visible_to(BOB)] == ["shared"]
    assert await fonts.fonts_for(BOB, ['"Brand"'])


async def test_a_bad_font_leaves_nothing_behind() -> None:
    blobs = InMemoryBlobStore()
    with pytest.raises(Invalid) as refusal:
        await FontService(blobs).add(ANN, b"OTTO", "private")
    assert refusal.value.flaws[0].code == "invalid_font" and blobs.blobs == {}


async def test_another_process_sees_a_font_at_once_and_a_damaged_record_is_no_font() -> None:
    blobs = InMemoryBlobStore()
    one, other = FontService(blobs), FontService(blobs)
    assert await other.visible_to(ANN) == []
    record = await one.add(ANN, a_font(), "private")
    assert await other.visible_to(ANN) == [record]
    assert {font_key(record.sha256), font_record_key(ANN, record.sha256)} == set(blobs.blobs)
    await blobs.put(font_record_key(BOB, record.sha256), b"{}")
    assert await other.visible_to(None) == [record]


async def test_a_user_keeps_so_many_fonts_and_so_many_bytes() -> None:
    service = FontService(InMemoryBlobStore(), font_quota(count=2, mib=1))
    with pytest.raises(Conflict, match="PRESSWORK_MAX_FONTS_MB_PER_USER") as refusal:
        await service.add(ANN, a_font() + bytes(2**20), "private")
    assert refusal.value.code == "too_many_fonts"
    first = await service.add(ANN, a_font("One"), "private")
    await service.add(ANN, a_font("Two"), "private")
    with pytest.raises(Conflict, match="PRESSWORK_MAX_FONTS_PER_USER"):
        await service.add(ANN, a_font("Three"), "private")
    assert await service.add(ANN, a_font("One"), "shared"), "what one has can be changed"
    await service.delete(ANN, first.sha256)
    assert await service.add(ANN, a_font("Three"), "private")


async def test_a_deleted_font_is_its_owners_no_more_and_others_keep_theirs(fonts: FontService) -> None:
    record = await fonts.add(ANN, a_font(), "private")
    await fonts.add(BOB, a_font(), "private")
    await fonts.delete(ANN, record.sha256)
    assert await fonts.visible_to(ANN) == [] and await fonts.fonts_for(ANN, ['"Brand"']) == {}
    assert await fonts.fonts_for(BOB, ['"Brand"'])
    with pytest.raises(NotFound):
        await fonts.delete(ANN, record.sha256)


async def test_an_inline_source_gets_the_fonts_that_it_names_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = FontService(InMemoryBlobStore())
    source = '#set text(font: ("Brand", "Inter"))'
    assert await fonts.named_in(ANN, source) == ()
    bold, other = await fonts.add(ANN, a_font(), "private"), await fonts.add(ANN, a_font("Other"), "private")
    assert await fonts.named_in(ANN, source) == (f"{bold.sha256}.ttf",)
    assert await fonts.named_in(BOB, source) == await fonts.named_in(ANN, '"Brand"') == ()
    await fonts.add(BOB, a_font("Other"), "shared")
    assert await fonts.named_in(ANN, 'font: "Other"') == (f"{other.sha256}.ttf",)
    monkeypatch.setattr("app.services.fonts.MOST_INLINE_BYTES", bold.size)
    with pytest.raises(Invalid) as refusal:
        await fonts.named_in(ANN, 'font: ("Brand", "Other")')
    assert (refusal.value.flaws[0].pointer, refusal.value.flaws[0].code) == ("/source/content", "too_large")


async def test_another_process_finds_a_font_for_inline_sources_within_half_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blobs = InMemoryBlobStore()
    here, elsewhere = FontService(blobs), FontService(blobs)
    assert await elsewhere.named_in(ANN, 'font: "Brand"') == ()
    await here.add(ANN, a_font(), "private")
    clock = time.monotonic() + FRESH_S
    monkeypatch.setattr("app.services.fonts.time.monotonic", lambda: clock)
    assert len(await elsewhere.named_in(ANN, 'font: "Brand"')) == 1
