"""Builds the shipped .docx templates, the same bytes every time: `python -m docx_sources` in this package's parent.

Needs python-docx, a development dependency; nothing here runs in production.
"""
