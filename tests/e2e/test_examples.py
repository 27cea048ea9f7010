"""The examples as a newcomer runs them: uploaded, made through the API, and every document read back."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pikepdf
import pytest
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn
from PIL import Image

from tests.e2e.examples_read import blank, codes_in, drawn, drawn_svg, media, out_of_order, text_of, word, words_of
from tests.e2e.test_up import Up, free_ports, wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.timeout(240)

PAGES = {
    "act.pdf": 1,
    "annual-report.pdf": 8,
    "course-certificate.pdf": 1,
    "event-ticket.png": 1,
    "event-ticket.svg": 1,
    "multilingual-letter.pdf": 1,
    "shipping-label.pdf": 2,
}
WORD = ["act", "price-list", "russian-contract", "word-invoice", "word-offer"]
FILES = sorted([*PAGES, *(f"{name}.docx" for name in WORD)])
ACT = ["Акт № 47 от 30 октября 2026 г.", "ООО «Северная верфь данных»", "48 005,00", "687 966,00 ₽", "Объедков Ф. Ц."]
#: File -> words that a reader must find; of PDFs as drawn with their fonts, of Word documents in their text.
WORDS = {
    "act.pdf": ACT,
    "act.docx": ACT,
    "annual-report.pdf": ["3.93 million passengers", "Contents", "Figure 1: Passengers in thousands", "Table 4:"],
    "course-certificate.pdf": ["Zoë Łukasiewicz-Ørsted", "Letterpress and Bookbinding", "19 June 2026"],
    "multilingual-letter.pdf": [
        *("Съешьте ещё этих мягких", "ґрунтовні", "Zażółć gęślą jaźń", "ngày 1 tháng 10", "αναγνωστήριο"),
        *("ընթերցասրահը", "სამკითხველო", "Schäfer-Ångström", "14 September 2026"),
    ],
    "price-list.docx": ["Price list 2026/II", "1 July 2026", "Threaded rods · DIN 976-1", "1,334.25"],
    "russian-contract.docx": [
        *("Исключительное право на Систему", "действующего на основании доверенности № 77/05", "27 февраля 2026 г."),
        *("3 909 500,50 ₽", "/ Щербакова Ю. Э. /"),
    ],
    "shipping-label.pdf": ["Buchhandlung Žižek & Söhne", "Österreich", "7.3 kg", "2 of 2", "HAM → VIE 07"],
    "word-invoice.docx": [
        *("Издательство «Маяк» OÜ", "0.385", "962.50", "2,863.50", "544.07", "€3,407.57", "DE89 3704 0044"),
    ],
    "word-offer.docx": [
        *("36,100 kWh a year", "without drilling the membrane", "Jolanta Brzęk", "€54,084.50"),
        "We answer for our work for five years",
    ],
}


@dataclass(frozen=True)
class Made:
    """What one run left: the folder of its files, what it printed, and the documents as the API shows them."""

    folder: Path
    output: str
    documents: list[dict[str, Any]]

    def data(self, name: str) -> dict[str, Any]:
        return dict(json.loads((EXAMPLES / name / "data.json").read_text()))


def examples(up: Up, out: Path, *names: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESSWORK_")}
    environment |= {"PRESSWORK_URL": up.facts["api_url"], "PRESSWORK_KEY": up.facts["admin_key"]}
    command = [sys.executable, "-m", "examples", *names, "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def asked(up: Up, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {up.facts['admin_key']}"}
    return dict(httpx2.get(up.facts["api_url"] + path, headers=headers).json())


def listed(up: Up) -> list[dict[str, Any]]:
    return list(asked(up, "/v1/documents?limit=200")["items"])


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("examples"), free_ports())
    stack.start()
    yield stack
    stack.signal(signal.SIGTERM)
    stack.wait(20)


@pytest.fixture(scope="module")
def made(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("made")
    run = examples(up, out)
    assert run.returncode == 0, run.stderr
    wait_until(lambda: len(listed(up)) >= len(FILES), 5, lambda: "a list shows a document within a second of its 202")
    return Made(out, run.stdout, listed(up))


def test_every_file_is_there_and_told_about(made: Made) -> None:
    assert sorted(path.name for path in made.folder.iterdir()) == FILES
    assert [name for name in FILES if f"{made.folder / name}  " not in made.output] == []


def test_every_document_is_completed_without_a_warning(made: Made) -> None:
    shown = {f"{one['template']['name']}.{one['format']}": one for one in made.documents}
    assert sorted(shown) == FILES
    for name, document in shown.items():
        assert document["status"] == "completed" and document["result"]["warnings"] == [], name
        assert document["result"]["bytes"] == (made.folder / name).stat().st_size, name
        assert document["result"]["pages"] == PAGES.get(name), name


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".pdf")])
def test_a_pdf_has_its_pages_each_with_something_on_it(made: Made, name: str) -> None:
    pages = drawn(made.folder / name)
    assert len(pages) == PAGES[name]
    assert [number for number, page in enumerate(pages, 1) if blank(page)] == []


@pytest.mark.parametrize("name", WORDS)
def test_the_words_are_read_back(made: Made, name: str) -> None:
    path = made.folder / name
    text = " ".join(words_of(path)) if name.endswith(".pdf") else text_of(word(path))
    assert [words for words in WORDS[name] if words not in text] == []


@pytest.mark.parametrize("name", WORD)
def test_a_word_document_keeps_the_schemas_order(made: Made, name: str) -> None:
    assert out_of_order(made.folder / f"{name}.docx") == []


def test_codes_are_read_from_the_drawn_pages(made: Made) -> None:
    def codes(name: str) -> list[set[tuple[str, str]]]:
        return [codes_in(page) for page in drawn(made.folder / name)]

    assert codes("course-certificate.pdf") == [{("QRCode", "https://making.example/verify/HSM-2026-0417")}]
    assert codes("shipping-label.pdf") == [
        {("Code128", number), ("QRCode", f"https://nordfracht.example/t/{number}")}
        for number in ("NF0088140AT01", "NF0088140AT02")
    ]
    ticket = {("QRCode", made.data("event-ticket")["code"])}
    picture = Image.open(made.folder / "event-ticket.png").convert("RGB")
    assert picture.size == (1200, 630)
    assert codes_in(picture) == codes_in(drawn_svg(made.folder / "event-ticket.svg")) == ticket


def test_the_invoice_has_its_logo_and_a_code_that_pays(made: Made) -> None:
    pictures = list(media(made.folder / "word-invoice.docx").values())
    assert (EXAMPLES / "word-invoice/logo.png").read_bytes() in pictures
    (paid,) = [text for one in pictures for _, text in codes_in(Image.open(BytesIO(one)).convert("RGB"))]
    assert paid.split("\n") == [
        *("BCD", "002", "1", "SCT", "COBADEFFXXX", "Greenleaf Paper Mill GmbH", "DE89370400440532013000"),
        *("EUR3407.57", "", "", "2026-0318"),
    ]


def test_the_price_list_repeats_its_head_and_has_every_row(made: Made) -> None:
    (table,) = word(made.folder / "price-list.docx").tables
    groups = made.data("price-list")["groups"]
    colours = {"yes": "DDF0E0", "low": "FFF3C4", "no": "F7D9D5"}
    head, *rows = table._tbl.tr_lst
    assert head.find(qn("w:trPr")).find(qn("w:tblHeader")) is not None
    assert [texts(cell) for cell in head.tc_lst] == ["Article", "Name", "List", "Trade", "Volume", "Stock"]
    expected = [one for group in groups for one in (group, *group["items"])]
    assert len(rows) == len(expected) == 243
    for row, one in zip(rows, expected, strict=True):
        cells = row.tc_lst
        if "items" in one:
            assert texts(cells[0]) == f"{one['name']} · {one['standard']}" and len(cells) == 1
            assert cells[0].tcPr.find(qn("w:gridSpan")).get(qn("w:val")) == "6"
        else:
            assert [texts(cell) for cell in cells[:3]] == [one["article"], one["name"], f"{one['prices']['list']:,.2f}"]
            assert cells[5].tcPr.find(qn("w:shd")).get(qn("w:fill")) == colours[one["stock"]]


def texts(element: Any) -> str:
    return "".join(node.text or "" for node in element.iter(qn("w:t")))


def test_the_contract_has_numbers_and_two_sections(made: Made) -> None:
    document = word(made.folder / "russian-contract.docx")
    first, second = document.sections
    assert [texts(one.header._element) for one in (first, second)] == [
        "Договор № 12/26 от 15\u00a0января 2026\u00a0г.",
        "Приложение № 1 к Договору № 12/26 от 15\u00a0января 2026\u00a0г.",
    ]
    assert [one.orientation for one in (first, second)] == [WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE]
    sections = made.data("russian-contract")["sections"]
    levels = [one.numPr.ilvl.val for one in document.element.body.iter(qn("w:pPr")) if one.numPr is not None]
    assert levels == [level for one in sections for level in (0, *(1 for _ in one["clauses"]))] + [0]


def test_the_offer_has_pictures_lists_links_and_the_inserted_terms(made: Made) -> None:
    path = made.folder / "word-offer.docx"
    sources = {(EXAMPLES / "word-offer" / name).read_bytes() for name in ("cover.png", "roof-west.png", "storage.png")}
    assert sources <= set(media(path).values()) and len(media(path)) == 5
    document = word(path)
    styles = {one.text: one.style.name for one in document.paragraphs if one.style}
    assert [styles[text] for text in ("What we do", "What the roofs give", "Delivery")] == [
        "Heading 1",
        "Heading 2",
        "Heading 2",
    ]
    numbered = [
        texts(one) for one in document.element.body.iter(qn("w:p")) if one.find(".//" + qn("w:numPr")) is not None
    ]
    assert "96 modules of 400 W" in numbered and "Invoices are due within fourteen days of their date." in numbered
    links = {one.target_ref for one in document.part.rels.values() if one.is_external}
    assert links == {"https://midday.example/how-we-count"}
    assert [len(table.rows) for table in document.tables if table.style and table.style.name == "Table Grid"] == [5, 4]


def test_the_reports_table_goes_over_pages_with_its_head_and_every_row(made: Made) -> None:
    pages = words_of(made.folder / "annual-report.pdf")
    assert ["Code Landing stage Line Opened Boarded" in page for page in pages] == [False] * 4 + [True] * 4
    appendix = " ".join(pages[4:])
    stages = made.data("annual-report")["stages"]
    assert len(stages) == 88
    assert [one["code"] for one in stages if appendix.count(f"{one['code']} {one['name']}") != 1] == []


def test_the_letter_conforms_to_its_standards(made: Made) -> None:
    with pikepdf.open(made.folder / "multilingual-letter.pdf") as pdf, pdf.open_metadata() as about:
        assert (about["pdfaid:part"], about["pdfaid:conformance"], about["pdfuaid:part"]) == ("2", "A", "1")
        assert bool(pdf.Root.MarkInfo.Marked) and "/StructTreeRoot" in pdf.Root
        assert about["dc:title"] == "The reading room opens again"


def test_the_ornaments_and_the_signature_are_on_the_certificate(made: Made) -> None:
    (page,) = drawn(made.folder / "course-certificate.pdf")
    width, height = page.size
    corner = page.crop((0, 0, round(width * 0.12), round(height * 0.17)))
    signature = page.crop((round(width * 0.63), round(height * 0.77), round(width * 0.86), round(height * 0.87)))
    gold = [one for one in corner.getcolors(1 << 20) or [] if one[1][0] > one[1][2] + 60]
    assert sum(count for count, _ in gold) > 500
    assert not blank(signature)


def test_a_second_run_publishes_a_new_version(up: Up, made: Made, tmp_path: Path) -> None:
    again = examples(up, tmp_path, "shipping-label")
    assert again.returncode == 0, again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["shipping-label.pdf"]
    assert asked(up, "/v1/templates/shipping-label")["tags"]["production"] == 2


def test_without_a_server_or_with_a_wrong_key_it_says_so(up: Up, tmp_path: Path) -> None:
    url, key = up.facts["api_url"], up.facts["admin_key"]
    closed = f"http://127.0.0.1:{free_ports()['api']}"
    for options, words in (
        (["--url", closed, "--key", key], "does not answer"),
        (["--url", url, "--key", "pw_wrong"], "unauthorized"),
    ):
        command = [sys.executable, "-m", "examples", "act", "--out", str(tmp_path), *options]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert run.returncode != 0 and words in run.stderr and "Traceback" not in run.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_opens_every_word_document(made: Made, tmp_path: Path) -> None:
    """With the pages that it has in Word, and the words and codes that a reader sees."""
    documents = [str(made.folder / f"{name}.docx") for name in WORD]
    command = ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to", "pdf"]
    subprocess.run([*command, "--outdir", str(tmp_path), *documents], check=True, capture_output=True, timeout=120)
    shown = {name: words_of(tmp_path / f"{name}.pdf") for name in WORD}
    pages = {"act": 1, "price-list": 7, "russian-contract": 3, "word-invoice": 1, "word-offer": 3}
    assert {name: len(texts) for name, texts in shown.items()} == pages
    for name, texts in shown.items():
        text = " ".join(texts)
        assert [words for words in WORDS[f"{name}.docx"] if words not in text] == [], name
    assert all("Article Name List Trade Volume Stock" in text for text in shown["price-list"])
    assert "стр. 3 из 3" in shown["russian-contract"][2] and "5.3. Стороны" in shown["russian-contract"][1]
    (invoice,) = drawn(tmp_path / "word-invoice.pdf")
    assert ["EUR3407.57" in text for _, text in codes_in(invoice)] == [True]
