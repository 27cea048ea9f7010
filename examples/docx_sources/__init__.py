"""Builds the examples' Word templates, the same bytes every time: `python -m examples.docx_sources` in the top folder.

Users edit the .docx itself, in Word. This is for whoever changes all of them; it needs python-docx, a development tool.
"""
