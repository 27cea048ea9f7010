"""Write <name>/<name>.docx for every shipped template."""

from .invoice import build_invoice
from .look import save
from .report import build_report

save(build_invoice(), "invoice")
save(build_report(), "report")
