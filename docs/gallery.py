"""Makes the pictures of docs/gallery.md from what a running Presswork makes of examples/: `make gallery`.

Starts Presswork on an empty directory, runs `python -m examples`, and shows pages side by side. Needs LibreOffice for
the Word documents.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pypdfium2
from PIL import Image, ImageOps

from docs.screenshots import running

PICTURES = Path(__file__).parent / "images" / "gallery"
#: Of the pictures, in pixels: pages stand side by side, and one page alone is larger.
HEIGHT, ALONE, WIDEST, GAP = 420, 600, 860, 10
LARGEST = 58_000
#: Example -> the pages that are shown, from 1; of its first file that has pages.
PAGES = {
    "word-invoice": (1,),
    "russian-contract": (1, 2, 3),
    "word-offer": (1, 2, 3),
    "price-list": (1, 2),
    "act": (1,),
    "course-certificate": (1,),
    "shipping-label": (1, 2),
    "annual-report": (1, 3, 5),
    "multilingual-letter": (1,),
    "event-ticket": (1,),
}


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, running() as stack:
        made = Path(directory)
        order = ["--url", stack.api, "--key", stack.key, "--out", directory]
        subprocess.run([sys.executable, "-m", "examples", *order], check=True)
        office(made)
        for name, shown in PAGES.items():
            files = [made / f"{name}.pdf", made / f"{name}.docx.pdf", made / f"{name}.png"]
            sheet = beside([page for file in files if file.exists() for page in pages(file, shown)])
            save(sheet, PICTURES / f"{name}.png")
            print(f"{name}: {(PICTURES / f'{name}.png').stat().st_size / 1000:.0f} kB")


def office(folder: Path) -> None:
    """Turn name.docx into name.docx.pdf with LibreOffice."""
    documents = sorted(folder.glob("*.docx"))
    command = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", "pdf"]
    subprocess.run(
        [*command, "--outdir", str(folder / "office"), *map(str, documents)], check=True, capture_output=True
    )
    for document in documents:
        (folder / "office" / f"{document.stem}.pdf").rename(folder / f"{document.name}.pdf")


def pages(file: Path, shown: tuple[int, ...]) -> list[Image.Image]:
    """Draw pages of a PDF, or open a picture, at twice the height of the gallery."""
    if file.suffix == ".png":
        return [Image.open(file).convert("RGB")]
    with pypdfium2.PdfDocument(file) as pdf:
        return [
            pdf[one - 1].render(scale=2 * HEIGHT / pdf[one - 1].get_height()).to_pil().convert("RGB") for one in shown
        ]


def beside(drawn: list[Image.Image]) -> Image.Image:
    """Put pages side by side, each in a thin frame."""
    highest = ALONE if len(drawn) == 1 else HEIGHT
    factor = min(highest / max(one.height for one in drawn), WIDEST / max(one.width for one in drawn))
    scaled = [ImageOps.scale(one, factor, Image.Resampling.LANCZOS) for one in drawn]
    small = [ImageOps.expand(one, 1, "#c9cfd8") for one in scaled]
    size = (sum(one.width for one in small) + GAP * (len(small) - 1), max(one.height for one in small))
    sheet, left = Image.new("RGB", size, "white"), 0
    for one in small:
        sheet.paste(one, (left, 0))
        left += one.width + GAP
    return sheet


def save(sheet: Image.Image, path: Path) -> None:
    """Write a picture with as many colours as its size in bytes allows."""
    for colours in (256, 128, 64, 40, 24):
        sheet.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < LARGEST:
            return
    raise SystemExit(f"{path} is too large")


if __name__ == "__main__":
    main()
