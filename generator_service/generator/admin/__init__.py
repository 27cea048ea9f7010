"""The admin panel: server-rendered pages on port 8001. `panel.attach` puts it into the application."""
