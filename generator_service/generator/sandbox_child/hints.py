"""What to do about a document that broke its limits or its process."""

SMALLER = "Render less in one document, or raise the limit."
UNEXPECTED = "Something in the template or its files is more than the engine expects: leave parts out to find it."
NESTING = "Deep nesting in the template is the usual cause."
