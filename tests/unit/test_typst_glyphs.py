"""Characters that no font has are said, or refused: nothing becomes a box in silence."""

import json
from typing import Any

import pytest

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, RenderRequest, generate
from generator.renderers.typst_compilers import FontSet
from generator.shipped import load_shipped

DATA = '#json("data.json").x'


def warned(
    engines: Engines,
    source: str,
    *,
    output_format: str = "pdf",
    strict: bool = False,
    escaped: bool = False,
    **data: str,
) -> list[str]:
    bundle = TemplateBundle.of_file("typst", source.encode())
    request = RenderRequest(bundle, json.dumps(data, ensure_ascii=escaped).encode(), output_format, strict=strict)
    warnings = generate(request, engines).warnings
    assert {one.code for one in warnings} <= {"missing_glyphs"}
    return [one.message for one in warnings]


def refused(engines: Engines, source: str, **data: str) -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        warned(engines, source, strict=True, **data)
    return failure.value.error


@pytest.mark.parametrize("output_format", ["pdf", "png", "svg"])
@pytest.mark.parametrize("escaped", [True, False])
def test_characters_without_a_glyph_are_named(engines: Engines, output_format: str, escaped: bool) -> None:
    found = warned(engines, DATA, output_format=output_format, escaped=escaped, x="Tokyo 本日日 🧾")
    assert found == [
        "The fonts have no glyphs for: 日 本 🧾 (U+65E5, U+672C, U+1F9FE); boxes are printed instead.",
    ]


@pytest.mark.parametrize("text", ["日本語", "🧾", "ไทย", "বাংলা", "ᚠᚢ", "👩‍👩‍👧", "✂❌"])
def test_every_script_without_a_font_is_noticed(engines: Engines, text: str) -> None:
    assert len(warned(engines, DATA, x=text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Ünïcödé Łódź Ğ ß ẞ",
        "Съешь ещё ҐЄЇ ң ү",
        "Αθήνα ἀρχή",
        "€ $ £ ¥ ₽ ₴ ₸ ₹ ฿ ₿ ₩ ₪ ₫ ₺ ₼ ₾ ¢",
        "→ ← ↑ ⇒ ✓ ✔ ✗ ☐ ☑ ★ ● ■ ▲ ♥ ⚠ ✂ ™ ® © № § ¶ † ‡ • … ‰ ″",
        "≥ ≤ ≠ ≈ ± × ÷ ∞ √ ∑ µ ° ½ ⅔ Ω π",
        "שלום العربية Հայ ქართული",
        "e\u0301 x\u0302 a\u200db\u200bc\ufeffd\u00ade ★\ufe0f a\tb\nc\u2028d\u202fe\u2060f\u200e",
    ],
)
def test_usual_text_and_invisible_characters_do_not_warn(engines: Engines, text: str) -> None:
    assert warned(engines, DATA, strict=True, x=text) == []


def test_what_is_not_printed_does_not_warn(engines: Engines) -> None:
    assert warned(engines, f'{DATA} #hide("日") // 本', strict=True, x="a", y="日本") == []


@pytest.mark.parametrize(
    "source",
    ["日", "#emoji.bread", "\\u{65e5}", "#str.from-unicode(26085)", '#text(font: "Inter", fallback: false)[ع]'],
)
def test_characters_of_the_source_count_too(engines: Engines, source: str) -> None:
    assert len(warned(engines, source)) == 1


def test_many_characters_are_counted_not_listed(engines: Engines) -> None:
    (found,) = warned(engines, DATA, x="".join(chr(point) for point in range(0x4E00, 0x4E00 + 3000)))
    assert found.endswith("U+4E09) and 2990 more; boxes are printed instead.")


def test_a_strict_document_is_refused_and_told_what_to_do(engines: Engines) -> None:
    found = refused(engines, DATA, x="日")
    assert (found.code, found.retryable) == ("missing_glyphs", False)
    assert found.message.startswith("The fonts have no glyphs for: 日 (U+65E5)")
    assert found.hint and all(part in found.hint for part in ("Inter", "DejaVu Sans", "`fonts` folder", "docx"))


def test_a_document_that_cannot_be_verified_says_may(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler repeats the source line for each character: megabytes of them are not worth the certainty."""
    monkeypatch.setattr("generator.renderers.typst_glyphs._MOST_OBJECTIONS_BYTES", 3)
    assert warned(engines, DATA, x="a", y="日") == [
        "The fonts have no glyphs for: 日 (U+65E5); boxes may be printed instead.",
    ]


def test_a_document_that_no_archive_takes_is_verified_all_the_same(engines: Engines) -> None:
    assert len(warned(engines, f"#set document(date: none)\n{DATA}", x="日")) == 1


def test_ordinary_documents_are_made_once(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    engines.get("typst").warm_up()
    made: list[Any] = []
    compile_ = FontSet.compile
    monkeypatch.setattr(FontSet, "compile", lambda *a, **k: made.append(a) or compile_(*a, **k))
    shipped = load_shipped()
    for template in shipped:
        for locale in ("en", "ru"):
            generate(
                RenderRequest(template.bundle, json.dumps(template.sample).encode(), "pdf", locale=locale), engines
            )
    assert len(made) == 2 * len(shipped)


def test_word_documents_use_the_readers_fonts(engines: Engines) -> None:
    invoice = next(one for one in load_shipped() if one.name == "invoice")
    data = json.dumps({**invoice.sample, "note": "日本"}).encode()
    assert generate(RenderRequest(invoice.bundle, data, "docx", strict=True), engines).warnings == ()
    assert [one.code for one in generate(RenderRequest(invoice.bundle, data, "pdf"), engines).warnings] == [
        "missing_glyphs"
    ]
