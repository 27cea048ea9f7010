"""The panel's pages, one module per section; each has a `router`."""
