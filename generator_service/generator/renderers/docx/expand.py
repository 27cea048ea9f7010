"""Put what a document inserts in place of its marks: runs are split around pictures and rich text, paragraphs around
subdocuments and tables. Only parts that hold marks are parsed again."""

from copy import deepcopy

from generator.renderers.docx.images import embed, picture_bytes, picture_of, run_with_picture
from generator.renderers.docx.inserts import BLOCKS, MARK, OPEN, Insert
from generator.renderers.docx.markdown import markdown_blocks
from generator.renderers.docx.place import Place
from generator.renderers.docx.richtext import rich_paragraphs, rich_runs
from generator.renderers.docx.subdocs import subdocument
from generator.renderers.docx.xml import (
    PIC,
    WP,
    A,
    Element,
    cleaned,
    local,
    make,
    paragraph_properties,
    parse,
    r,
    text_elements,
    w,
    written,
)

#: Inserts that bring further marks (rich text in rich text): more than any data is deep.
_DEEPEST = 50
#: What may be left in a paragraph that an insert took the place of.
_NOTHING = frozenset({"pPr", "proofErr", "bookmarkStart", "bookmarkEnd"})


def expanded(content: bytes, place: Place) -> bytes:
    """Return the part with everything that its marks stand for. Raises DocumentFailed data_invalid."""
    root = parse(content)
    for _ in range(_DEEPEST):
        marked = [text for text in root.iter(w("t")) if OPEN in (text.text or "")]
        if not [text for text in marked if _expand_run(place, text)]:
            break
    _other_texts(place, root)
    _replace_pictures(place, root)
    return written(root)


def _expand_run(place: Place, text: Element) -> bool:
    """Replace the run that holds this text by what its marks stand for. False if none of them is ours."""
    run = text.getparent()
    holder = run.getparent() if run is not None and run.tag == w("r") else None
    found = [place.inserts.find(number) for number in MARK.findall(text.text or "")]
    if run is None or holder is None or not any(found):
        return False
    paragraph = next((up for up in run.iterancestors() if up.tag == w("p")), None)
    pieces = _pieces(place, run, text)
    for made in pieces:
        if not isinstance(made, Insert):
            _put_before(run, made)
        elif paragraph is not None:
            _split(place, paragraph, run, made)
    holder.remove(run)
    if paragraph is not None and any(isinstance(made, Insert) and made.kind != "break" for made in pieces):
        _drop_if_empty(paragraph)
    return True


def _put_before(run: Element, made: Element) -> None:
    """Put a piece before the run; of a link within a link only the runs."""
    if local(made) == "hyperlink" and any(local(up) == "hyperlink" for up in run.iterancestors()):
        for inner in list(made):
            run.addprevious(inner)
    else:
        run.addprevious(made)


def _pieces(place: Place, run: Element, text: Element) -> list[Element | Insert]:
    """Return what takes the run's place: runs of its other children, inline inserts, and Inserts of whole blocks."""
    base = run.find(w("rPr"))
    made: list[Element | Insert] = []
    current = _shell(base)
    for child in [child for child in run if child is not base]:
        if child is not text:
            current.append(child)
            continue
        for index, piece in enumerate(MARK.split(text.text or "")):
            insert = place.inserts.find(piece) if index % 2 else None
            if insert is None:
                current.extend(text_elements(f"\ufdd4{piece}\ufdd5" if index % 2 else piece))
                continue
            made.append(current)
            made += [insert] if insert.kind in BLOCKS else _inline(place, insert, base)
            current = _shell(base)
    made.append(current)
    return [one for one in made if isinstance(one, Insert) or not _is_bare(one)]


def _shell(base: Element | None) -> Element:
    made = make("r")
    if base is not None:
        made.append(deepcopy(base))
    return made


def _is_bare(run: Element) -> bool:
    return local(run) == "r" and all(local(child) == "rPr" for child in run)


def _inline(place: Place, insert: Insert, base: Element | None) -> list[Element]:
    if insert.kind == "image":
        return [run_with_picture(place, insert)]
    return rich_runs(place, insert, insert.value.get("$rich"), base)


def _split(place: Place, paragraph: Element, run: Element, insert: Insert) -> None:
    """Put blocks between what comes before the run in its paragraph, and the run with what follows."""
    properties = paragraph.find(w("pPr"))
    before = make("p")
    if properties is not None:
        before.append(paragraph_properties(properties))
    _move_before(paragraph, run, before)
    if insert.kind == "break" or not _is_empty(before):
        paragraph.addprevious(before)
    for block in _blocks(place, insert, properties, run.find(w("rPr"))):
        paragraph.addprevious(block)


def _move_before(paragraph: Element, run: Element, before: Element) -> None:
    """Move what stands before the run; a link or field around the run stays whole, after the blocks."""
    holder = run
    while holder.getparent() is not paragraph:
        parent = holder.getparent()
        assert parent is not None
        holder = parent
    for child in list(paragraph[: paragraph.index(holder)]):
        if local(child) != "pPr":
            before.append(child)


def _is_empty(paragraph: Element) -> bool:
    return all(local(child) in _NOTHING or _is_bare(child) for child in paragraph)


def _drop_if_empty(paragraph: Element) -> None:
    """Leave nothing of a paragraph that held only the mark, unless it ends a section or a cell, or parts tables."""
    holder, before = paragraph.getparent(), paragraph.getprevious()
    if holder is None or not _is_empty(paragraph) or paragraph.find(f"{w('pPr')}/{w('sectPr')}") is not None:
        return
    after = paragraph.getnext()
    if (before is None or local(before) != "p") and (after is None or local(after) in ("sectPr", "tbl")):
        return
    holder.remove(paragraph)


def _blocks(place: Place, insert: Insert, properties: Element | None, base: Element | None) -> list[Element]:
    if insert.kind == "docx":
        return subdocument(place, insert)
    if insert.kind == "markdown":
        return markdown_blocks(place, insert, properties, base)
    if insert.kind == "paragraphs":
        return rich_paragraphs(place, insert, insert.value.get("$paragraphs"), properties, base)
    return []


def _other_texts(place: Place, root: Element) -> None:
    """Write words for marks in attributes and outside runs; a picture that a mark describes is replaced."""
    for element in root.iter():
        for key, value in element.attrib.items():
            if OPEN in value:
                insert = place.inserts.of(value)
                if insert and insert.kind == "image" and local(element) in ("docPr", "cNvPr"):
                    _replace_picture(place, element, insert)
                element.set(key, cleaned(place.inserts.plain(value)))
        if OPEN in (element.text or ""):
            element.text = cleaned(place.inserts.plain(element.text or ""))


def _replace_pictures(place: Place, root: Element) -> None:
    """Replace the pictures that `$pictures` of the data names: by file name, title or description in the template."""
    if not place.inserts.pictures:
        return
    for properties in [*root.iter(f"{{{WP}}}docPr"), *root.iter(f"{{{PIC}}}cNvPr")]:
        names = (properties.get(key, "") for key in ("name", "title", "descr"))
        insert = next((place.inserts.pictures[name] for name in names if name in place.inserts.pictures), None)
        if insert:
            _replace_picture(place, properties, insert)


def _replace_picture(place: Place, properties: Element, insert: Insert) -> None:
    """Show another picture in the frame that these properties belong to; its size and cropping stay."""
    frame = next((up for up in properties.iterancestors() if local(up) in ("drawing", "inline", "anchor")), None)
    content = picture_bytes(place, insert)
    key = embed(place, content, picture_of(place, insert, content))
    for blip in frame.iter(f"{{{A}}}blip") if frame is not None else ():
        blip.set(r("embed"), key)
        for child in list(blip):
            if local(child) == "extLst":  # may hold the old picture as SVG, which goes before
                blip.remove(child)
