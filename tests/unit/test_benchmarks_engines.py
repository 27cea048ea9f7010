"""What the comparison of engines claims: right records, right documents, right ratios, a page that shows them."""

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart, engines_memory, environments, page
from benchmarks.__main__ import LONG, names
from benchmarks.engines import report
from benchmarks.engines.bundles import bundle_of, request_of
from benchmarks.engines.contestants import ALL, KINDS, OURS_DOCX, OURS_PDF, Contestant
from benchmarks.engines.inputs import Inputs
from benchmarks.engines.ratios import AIMS, Aim, Ratio, medians, ratios
from benchmarks.engines.records import MAKE, invoice, json_lines, money, texts_of
from benchmarks.engines.through_service import role_of, worked_off
from benchmarks.engines.validation import check, check_samples
from generator.core import Engines, generate


@pytest.mark.parametrize("kind", KINDS)
def test_records_differ_and_are_the_same_each_time(kind: str) -> None:
    lines = list(json_lines(kind, "pdf", 0, 30))
    assert len(set(lines)) == 30
    assert lines[7] == json.dumps(MAKE[kind](7), ensure_ascii=False)
    assert "<svg" in lines[7] and "<svg" not in next(json_lines(kind, "docx", 7, 1))


def test_an_invoices_amounts_add_up() -> None:
    made = json.loads(json.dumps(invoice(3)))
    lines = [int(re.sub(r"\D", "", line["total"])) for line in made["items"]]
    assert money(sum(lines)) == made["subtotal"] and len(lines) == 12


@pytest.mark.parametrize(("cents", "shown"), [(5, "0.05"), (12_345, "123.45"), (123_456_789, "1 234 567.89")])
def test_money_has_two_digits_and_groups_of_three(cents: int, shown: str) -> None:
    assert money(cents) == shown


@pytest.mark.parametrize(("ours", "kind"), [(OURS_DOCX, "invoice"), (OURS_DOCX, "report"), (OURS_PDF, "invoice")])
def test_our_documents_pass_for_their_own_record_alone(ours: Contestant, kind: str) -> None:
    data = next(json_lines(kind, ours.format, 5, 1)).encode()
    content = generate(request_of(bundle_of(kind, ours.format), data, ours.format), Engines()).content
    check(kind, 5, ours.format, content)
    with pytest.raises(AssertionError, match=f"{kind} 6 as {ours.format} lacks"):
        check(kind, 6, ours.format, content)


def test_a_document_that_is_not_well_formed_or_lacks_pages_does_not_pass() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", "<a>" + "".join(texts_of("invoice", invoice(5))))
    with pytest.raises(Exception, match="Premature end|EndTag"):
        check("invoice", 5, "docx", out.getvalue())


def test_a_folder_without_samples_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no invoice was kept"):
        check_samples("invoice", tmp_path)


def test_pages_for_browsers_need_nothing_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.engines.inputs.RECORDS", {"invoice": {"pdf": 3}, "report": {"pdf": 2}})
    monkeypatch.setattr("benchmarks.engines.inputs.PAGES", {"invoice": 2, "report": 1})
    inputs = Inputs.make(tmp_path)
    assert [len(inputs.all(kind, "pdf")) for kind in KINDS] == [3, 2]
    for kind, count in (("invoice", 2), ("report", 1)):
        pages = [json.loads(line) for line in inputs.pages(kind).read_text().splitlines()]
        assert len(pages) == count and not any("http" in source for source in re.findall(r'src="([^"]*)', pages[0]))
        assert all(
            text.replace("&", "&amp;").partition("<")[0] in pages[0] for text in texts_of(kind, MAKE[kind](0))[:1]
        )


@pytest.mark.parametrize("contestant", ALL, ids=lambda one: f"{one.name}-{one.format}")
def test_every_contestant_has_its_templates_its_code_and_a_pin(contestant: Contestant) -> None:
    folder = report.RESULTS.parents[1] / "engines" / "peers"
    suffix = "py" if contestant.runtime == "python" else "cjs"
    assert (folder / f"{contestant.module}.{suffix}").exists()
    assert all(contestant.template_of(kind).exists() for kind in KINDS)
    pinned = json.loads(environments.NODE_PINS.read_text())["dependencies"]
    if contestant.package:
        assert contestant.package in pinned or environments.version_of(contestant.package)


def figures(per_s: float, cpu_ms: float) -> dict[str, float]:
    return {"per_s": per_s, "cpu_ms": cpu_ms}


def test_ratios_are_of_rates_and_of_processor_time() -> None:
    found = {f"{aim.format}_{aim.kind}": {"presswork": figures(200, 5)} for aim in AIMS}
    found["pdf_report"]["chromium"] = figures(100, 20)
    assert list(ratios(found)) == [Ratio(Aim("pdf", "report", "chromium", 1.5), by_rate=2.0, by_cpu=4.0)]


@pytest.mark.parametrize(("by_rate", "met"), [(4.99, False), (5.0, True)])
def test_an_aim_is_met_by_documents_per_second(by_rate: float, met: bool) -> None:
    assert Ratio(Aim("pdf", "invoice", "chromium", 5), by_rate, by_cpu=9.0).met is met


def test_every_aim_is_about_a_contestant() -> None:
    assert {(aim.peer, aim.format) for aim in AIMS} <= {(one.name, one.format) for one in ALL}


def test_the_median_is_taken_of_each_figure_by_itself() -> None:
    assert medians([figures(1, 9), figures(3, 7), figures(2, 8)]) == figures(2, 8)


def test_a_backlogs_rate_is_between_the_first_and_the_last_completion() -> None:
    rows = [{"completed_at": f"2026-03-01T00:00:0{second}.500Z"} for second in (4, 0, 2)]
    assert worked_off(rows) == 0.5


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["python", "-P", "-m", "app"], "api"),
        (["python", "-P", "-m", "app.services.judge_child"], "api"),
        (["python", "-P", "-m", "generator"], "generator"),
        (["python", "-I", "-B", "-m", "generator.sandbox_child", "{}"], "render"),
        (["/bin/valkey-server", "127.0.0.1:1"], "redis"),
        (["python", "-P", "-m", "backends.embedded.clickhouse_node", "/data"], "clickhouse"),
        (["python", "-m", "standalone", "up"], "others"),
    ],
)
def test_each_process_of_the_service_has_a_role(command: list[str], role: str) -> None:
    assert role_of(command) == role


@pytest.mark.parametrize(
    ("values", "low", "high"), [((0.24, 114.0), -1, 3), ((1.0, 10.0), 0, 1), ((20.0, 30.0), 1, 2), ((10.0, 10.0), 1, 2)]
)
def test_the_scale_of_a_chart_encloses_all_values(values: tuple[float, ...], low: int, high: int) -> None:
    assert chart.decades(values) == (low, high)
    assert all(0 <= chart.position(value, low, high) <= 1 for value in values)


@pytest.mark.parametrize(("value", "shown"), [(0.237, "0.24"), (5.94, "5.9"), (114.4, "114"), (6950.0, "6,950")])
def test_numbers_are_short(value: float, shown: str) -> None:
    assert chart.short(value) == shown


def test_a_chart_is_xml_with_a_bar_for_each_value_and_ours_stands_out() -> None:
    bars = [chart.Bar("presswork", 114, ours=True), chart.Bar("a & b", 5.2)]
    panel = chart.Panel("Invoices <pdf>", bars)
    drawn = chart.drawn([panel, replace(panel, title="Reports")])
    rects = list(ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}rect"))
    assert [rect.get("class") for rect in rects] == ["o", "b", "o", "b"]
    assert float(rects[0].get("width", "0")) > float(rects[1].get("width", "0")) > 0


def test_peers_that_could_not_be_measured_are_named_and_the_rest_is_shown() -> None:
    found = json.loads(report.RESULTS.read_text())
    for case in found["engines"].values():
        case.pop("weasyprint", None)
    found |= {"missing": {"weasyprint": "no Pango"}, "failed": {"carbone": "a report failed: it ended"}}
    text = "\n".join(report.section(found))
    assert "Not measured: weasyprint (no Pango)." in text and "| invoice | weasyprint" not in text
    assert "Not in every round: carbone (a report failed: it ended)." in text and "| invoice | carbone" in text


def test_sizes_are_cut_into_stretches_of_equal_length() -> None:
    sizes = [float(size) for size in range(10)]
    assert engines_memory.stretches(sizes, 3) == [[3, 1.0, 2.0], [6, 4.0, 5.0], [10, 7.5, 9.0]]


@pytest.mark.parametrize(("last", "said"), [(109.0, "+9.0%: **flat**"), (120.0, "+20.0%: **not flat**")])
def test_growth_is_from_the_second_value_to_the_last(last: float, said: str) -> None:
    many = [[1, 50.0], [500, 100.0], [1000, last]]
    found = {"conditions": "", "mixed": 10, "typst": 1000, "stretches": many, "many": many, "p50_ms": {}}
    assert sum(said in line for line in engines_memory.section(found)) == 2


def test_the_mixture_has_every_shipped_template_in_both_formats() -> None:
    mixed = engines_memory.cases()
    assert {(case.name, case.format) for case in mixed} >= {("letter (shipped)", "pdf"), ("report (compared)", "docx")}
    assert len({case.request(number).data for case in mixed[:1] for number in range(25)}) == 25


def test_long_runs_are_by_name_only() -> None:
    assert LONG == {"engines_memory", "queue_depth"} and LONG < set(names())


def test_the_page_shows_the_results_that_lie_beside_it() -> None:
    found = json.loads(report.RESULTS.read_text())
    text = page.PAGE.read_text()
    assert page.with_section(text, "engines", report.TITLE, report.section(found)) == text
    remembered = json.loads(engines_memory.RESULTS.read_text())
    section = engines_memory.section(remembered)
    assert page.with_section(text, "engines_memory", engines_memory.TITLE, section) == text
    for output_format in report.FORMATS:
        assert (report.IMAGES / f"engines-{output_format}.svg").read_text() == report.chart(found, output_format)
