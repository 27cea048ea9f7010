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


def save(path: str, document: Document, title: str) -> None:
    (EXAMPLES / path).write_bytes(packed(document, title))


save("word-invoice/template/invoice.docx", build_invoice(), "Invoice {{ number }}")
save("russian-contract/template/contract.docx", build_contract(), "Договор № {{ number }}")
save("word-offer/template/offer.docx", build_offer(), "Offer {{ number }}")
save("word-offer/terms.docx", build_terms(), "Terms")
save("price-list/template/prices.docx", build_prices(), "{{ title }}")
save("act/template/act.docx", build_act(), "Акт № {{ number }}")
