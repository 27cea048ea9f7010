"""Write the .docx of every example that has one."""

from pathlib import Path

from docx.document import Document

from examples.docx_sources.act import build_act
from examples.docx_sources.contract import build_contract
from examples.docx_sources.invoice import build_invoice
from examples.docx_sources.offer import build_offer, build_terms
from examples.docx_sources.prices import build_prices
from generator_service.templates.docx_sources.look import packed

EXAMPLES = Path(__file__).resolve().parents[1]


def documents() -> dict[str, tuple[Document, str]]:
    """Return every document and its title, by path below examples/."""
    return {
        "word-invoice/template/invoice.docx": (build_invoice(), "Invoice {{ number }}"),
        "russian-contract/template/contract.docx": (build_contract(), "Договор № {{ number }}"),
        "word-offer/template/offer.docx": (build_offer(), "Offer {{ number }}"),
        "word-offer/terms.docx": (build_terms(), "Terms"),
        "price-list/template/prices.docx": (build_prices(), "{{ title }}"),
        "act/template/act.docx": (build_act(), "Акт № {{ number }}"),
    }


if __name__ == "__main__":
    for path, (document, title) in documents().items():
        (EXAMPLES / path).write_bytes(packed(document, title))
