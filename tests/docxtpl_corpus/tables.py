"""Cases of tables: loops over rows and columns, merged cells, colours."""

from docx.document import Document

from tests.docxtpl_corpus.building import Case, built, grid

ALERTS = [
    {"date": "2015-03-10", "type": "CRITICAL", "bg": "FF0000"},
    {"date": "2015-03-13", "type": "DEBUG", "bg": "FF00FF"},
]
ITEMS = [
    {"desc": "Python interpreters", "qty": 2, "price": "FREE"},
    {"desc": "Django projects", "qty": 5403, "price": "FREE"},
    {"desc": "Guido", "qty": 1, "price": "100,000,000.00"},
]


def bare_properties(document: Document) -> None:
    """A table as pandoc writes it: its cells have empty properties, collapsed."""
    cells = document.add_table(rows=1, cols=2).rows[0].cells
    cells[0].text, cells[1].text = "{% cellbg colour %}red", "{% colspan span %}wide"
    for cell in cells:
        for child in list(cell._tc.tcPr):
            cell._tc.tcPr.remove(child)


def order(document: Document) -> None:
    document.add_paragraph("{{ customer_name }}, {%- if in_europe %} in Europe{% else %} overseas{% endif %}")
    table = document.add_table(rows=0, cols=3)
    rows = (
        ("Description", "Qty", "Price"),
        ("{%tr for i in items %}",),
        ("{{ i.desc }}", "{{ i.qty }}", "{{ i.price }}"),
        ("{%tr endfor %}",),
        ("Total", "", "{{ total_price }}"),
    )
    for texts in rows:
        for cell, text in zip(table.add_row().cells, texts, strict=False):
            cell.text = text
    for text in ("{%p if is_paid %}", "paid", "{%p else %}", "{{ company_name }} waits", "{%p endif %}"):
        document.add_paragraph(text)


CASES = [
    Case(
        "cellbg",
        grid(("{%tr for a in alerts %}",), ("{{ a.date }}", "{% cellbg a.bg %}{{ a.type }}"), ("{%tr endfor %}",)),
        ("2015-03-10", "CRITICAL", "2015-03-13", "DEBUG"),
        {"alerts": ALERTS},
        holds=('w:fill="FF0000"', 'w:fill="FF00FF"'),
    ),
    Case(
        "cellbg_selfclosing",
        built(bare_properties),
        ("red", "wide"),
        {"colour": "FF0000", "span": 1},
        holds=(
            '<w:tcPr><w:shd w:val="clear" w:color="auto" w:fill="FF0000"/></w:tcPr>',
            '<w:tcPr><w:gridSpan w:val="1"/></w:tcPr>',
        ),
        note="the same; docxtpl 0.20 puts the property where Word does not look",
    ),
    Case(
        "cellbg_shorthand",
        built(bare_properties),
        ("red", "wide"),
        {"colour": "00FF00", "span": 1},
        holds=('<w:shd w:val="clear" w:color="auto" w:fill="00FF00"/></w:tcPr>',),
        note="the same; docxtpl 0.20 puts the property where Word does not look",
    ),
    Case(
        "complex_vertical_merging",
        grid(
            ("{%tr for g in groups %}",),
            ("{%tr for t in g.rows %}",),
            ("{% vm %}{% cellbg g.bg %}{{ g.name }}", "{{ t }}"),
            ("{%tr endfor %}",),
            ("{%tr endfor %}",),
        ),
        ("B1", "1", "2", "B2", "3"),
        {"groups": [{"name": "B1", "bg": "FF0000", "rows": [1, 2]}, {"name": "B2", "bg": "00FF00", "rows": [3]}]},
        holds=('<w:vMerge w:val="restart"/>', '<w:vMerge w:val="continue"/>'),
        note="no `DVM` (nor has docxtpl as released): nested loops with `{% vm %}`",
    ),
    Case(
        "dynamic_table",
        grid(
            ("", "{%tc for col in col_labels %}", "{{ col }}", "{%tc endfor %}"),
            ("{%tr for item in tbl_contents %}",),
            ("{{ item.label }}", "{%tc for col in item.cols %}", "{{ col }}", "{%tc endfor %}"),
            ("{%tr endfor %}",),
        ),
        ("fruit", "vegetable", "stone", "yellow", "banana", "capsicum", "pyrite", "red", "apple", "tomato", "cinnabar"),
        {
            "col_labels": ["fruit", "vegetable", "stone"],
            "tbl_contents": [
                {"label": "yellow", "cols": ["banana", "capsicum", "pyrite"]},
                {"label": "red", "cols": ["apple", "tomato", "cinnabar"]},
            ],
        },
        holds=(4 * '<w:gridCol w:w="2160"/>',),
    ),
    Case(
        "horizontal_merge",
        grid(("{%tc for c in [1, 2, 3] %}", "{% hm %}wide", "{%tc endfor %}"), ("a", "b", "c")),
        ("wide", "a", "b", "c"),
        holds=('<w:gridSpan w:val="3"/>',),
    ),
    Case(
        "less_cells_after_loop",
        grid(("{%tc for c in [1, 2] %}", "{{ c }}", "{%tc endfor %}", "last")),
        ("1", "2", "last"),
        note="the same; the columns keep the table's width",
    ),
    Case(
        "order",
        built(order),
        (
            "Eric, in Europe",
            "Description",
            "Qty",
            "Price",
            "Python interpreters",
            "2",
            "FREE",
            "Django projects",
            "5403",
            "FREE",
            "Guido",
            "1",
            "100,000,000.00",
            "Total",
            "100,000,000.00",
            "The World Wide company waits",
        ),
        {
            "customer_name": "Eric",
            "items": ITEMS,
            "in_europe": True,
            "is_paid": False,
            "company_name": "The World Wide company",
            "total_price": "100,000,000.00",
        },
    ),
    Case(
        "vertical_merge",
        grid(
            ("{%tr for i in items %}",), ("{% vm %}{{ category }}", "{{ i.desc }}", "{{ i.qty }}"), ("{%tr endfor %}",)
        ),
        ("Book", "Python interpreters", "2", "Django projects", "5403", "Guido", "1"),
        {"items": ITEMS, "category": "Book"},
        holds=('<w:vMerge w:val="restart"/>', '<w:vMerge w:val="continue"/>'),
    ),
    Case(
        "vertical_merge_nested",
        grid(
            ("{%tr for a in [1, 2] %}",),
            ("{%tr for b in [1, 2] %}",),
            ("{% vm %}A{{ a }}", "{{ b }}"),
            ("{%tr endfor %}",),
            ("{%tr endfor %}",),
        ),
        ("A1", "1", "2", "A2", "1", "2"),
        holds=('<w:vMerge w:val="continue"/>',),
    ),
]
