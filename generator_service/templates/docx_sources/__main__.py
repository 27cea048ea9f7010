"""Write <name>/<name>.docx for every shipped template."""

from .certificate import build_certificate
from .contract import build_contract
from .invoice import build_invoice
from .letter import build_letter
from .look import save
from .report import build_report

save(build_certificate(), "certificate")
save(build_contract(), "contract")
save(build_invoice(), "invoice")
save(build_letter(), "letter")
save(build_report(), "report")
