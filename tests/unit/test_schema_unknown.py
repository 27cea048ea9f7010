"""Fields that no template reads, in objects and rows too: named where that is sure, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.services.template_uploads import read_upload
from contracts.templates import ArchiveLimits, TemplateBundle
from generator.core import Engines, RenderRequest, generate
from generator.renderers.schema import describe
from tests.integration.template_stage import zipped
from tests.unit.test_schema_inferred import READ, SCHEMAS, SOURCES, changed, docx, example, places, schema, typst

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("bundle", "unknown"),
    [
        (typst(f"{READ}#d.buyer.name #for r in d.rows [#r.name]"), ["/data/buyer/nam", "/data/rows/0/nam"]),
        (
            typst(f"{READ}#let b = d.buyer\n#b.name #d.rows.map(r => r.name).join()"),
            ["/data/buyer/nam", "/data/rows/0/nam"],
        ),
        (typst(f"{READ}#let (buyer, rows) = d\n#buyer.name"), ["/data/buyer/nam"]),
        (
            docx("{{ buyer.name }}{% for r in rows %}{{ r.name }}{% endfor %}"),
            ["/data/buyer/nam", "/data/rows/0/nam"],
        ),
        (
            docx("{% if buyer.vip %}{{ buyer.name }}{% endif %}{{ rows[0].name }}"),
            ["/data/buyer/nam", "/data/rows/0/nam"],
        ),
    ],
)
def test_unknown_fields_of_objects_and_rows_warn_once(bundle: TemplateBundle, unknown: list[str]) -> None:
    row = {"name": "A", "nam": 1}
    data: dict[str, object] = {"buyer": row, "rows": [row, row, row]}
    found = [(flaw.code, flaw.pointer) for flaw, sure in SCHEMAS.flaws(schema(bundle), data) if not sure]
    assert found == [("unknown_field", pointer) for pointer in unknown]
    assert "Is `name` meant?" in SCHEMAS.flaws(schema(bundle), data)[0][0].detail


@pytest.mark.parametrize(
    "bundle",
    [
        typst(f"{READ}#d.buyer.name #d.buyer"),
        typst(f"{READ}#d.buyer.name #repr(d.buyer)"),
        typst(f"{READ}#d.buyer.name #let f(x) = x.more\n#f(d.buyer)"),
        typst(f"{READ}#d.buyer.name #for (k, v) in d.buyer [#k: #v]"),
        typst(f"{READ}#d.buyer.name #d.buyer.keys().join()"),
        typst(f"{READ}#let b = (x: 1, ..d.buyer)\n#b.more #d.buyer.name"),
        typst(f"{READ}#let b = if true {{ d.buyer }} else {{ d }}\n#b.more #d.buyer.name"),
        typst(f'{READ}#let key = "more"\n#d.buyer.at(key) #d.buyer.name'),
        typst(f"{READ}#let (name, ..rest) = d.buyer\n#rest"),
        typst(f'#import "/presswork.typ": *\n{READ}#party("For", d.buyer)#d.buyer.name'),
        typst(f'#import "/presswork.typ": *\n{READ}#picture(d.buyer)#d.buyer.name'),
        docx("{{ buyer.name }}{{ buyer }}"),
        docx("{{ buyer.name }}{{ buyer | list }}"),
        docx("{{ buyer.name }}{% for key in buyer %}{{ key }}{% endfor %}"),
        docx("{{ buyer.name }}{% for key, value in buyer.items() %}{{ key }}{% endfor %}"),
        docx("{{ buyer.name }}{% set b = buyer %}{{ b.more }}"),
        docx("{{ buyer.name }}{% with b = buyer %}{{ b.more }}{% endwith %}"),
        docx("{{ buyer.name }}{% macro m(b) %}{{ b.more }}{% endmacro %}{{ m(buyer) }}"),
        docx("{{ buyer.name }}{% set key = 'more' %}{{ buyer[key] }}"),
        docx("{{ buyer.name }}{{ [buyer][0].more }}"),
        docx("{{ buyer.name }}{{ (buyer or other).more }}"),
    ],
)
def test_an_object_that_is_used_as_a_whole_has_no_unknown_fields(bundle: TemplateBundle) -> None:
    data: dict[str, object] = {"buyer": {"name": "A", "more": "B"}}
    assert [flaw.pointer for flaw, _ in SCHEMAS.flaws(schema(bundle), data) if flaw.code == "unknown_field"] == []


@pytest.mark.parametrize(
    "code",
    [
        "{{ rows | map(attribute='more') | join }}",
        "{% for r in rows | sort(attribute='more') %}{{ r.name }}{% endfor %}",
        "{% for r in rows %}{{ loop.previtem.more }}{% endfor %}",
        "{% for r in rows %}{% if loop.nextitem is defined and loop.nextitem.more %}x{% endif %}{% endfor %}",
        "{% for r in rows %}{{ r }}{% endfor %}",
        "{% for r in rows recursive %}{{ loop(r.more) }}{{ r.name }}{% endfor %}",
    ],
)
def test_rows_that_are_read_by_other_names_have_no_unknown_fields(code: str) -> None:
    bundle = docx("{% for r in rows %}{{ r.name }}{% endfor %}" + code)
    data: dict[str, object] = {"rows": [{"name": "A", "more": []}]}
    assert [flaw.pointer for flaw, _ in SCHEMAS.flaws(schema(bundle), data) if flaw.code == "unknown_field"] == []


def test_data_that_another_file_reads_and_gives_on_have_no_unknown_fields() -> None:
    files = {
        "main.typ": b'#import "data.typ": d\n#d.buyer.name #d.more',
        "data.typ": READ.encode() + b"#let x = d.buyer.x",
    }
    bundle = TemplateBundle(typst("").manifest, files)
    data: dict[str, object] = {"buyer": {"name": "A", "x": 1}, "more": 1}
    assert [flaw for flaw, _ in SCHEMAS.flaws(schema(bundle), data) if flaw.code == "unknown_field"] == []


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/data.json")))
def test_every_field_of_the_examples_is_known(name: str) -> None:
    root = EXAMPLES / name / "template"
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    uploaded = read_upload(f"{name}.zip", zipped(dict(files)), ArchiveLimits())
    described, _ = describe(uploaded.bundle)
    assert described is not None
    data = json.loads((EXAMPLES / name / "data.json").read_text())
    assert [flaw.detail for flaw, _ in SCHEMAS.flaws(described, data)] == []


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_what_is_called_unknown_changes_nothing(engines: Engines, number: int) -> None:
    bundle = SOURCES[number]
    data, asked = example(bundle), 0
    output_format = "svg" if bundle.manifest.sources[0].engine == "typst" else "docx"
    objects = [at for at in [(), *places(data)] if isinstance(value_at(data, at), dict)]
    for at in objects:
        other = changed(data, (*at, "zzz"), "?")
        unknown = [flaw for flaw, _ in SCHEMAS.flaws(schema(bundle), other) if flaw.code == "unknown_field"]
        if unknown:
            asked += 1
            made = [
                generate(RenderRequest(bundle, json.dumps(one).encode(), output_format), engines)
                for one in (data, other)
            ]
            assert made[0].content == made[1].content, at
    assert asked


def value_at(data: Any, at: tuple[str | int, ...]) -> Any:
    for key in at:
        data = data[key]
    return data
