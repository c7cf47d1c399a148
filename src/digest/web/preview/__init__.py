"""The template workshop in a browser: a mail as readers get it, drawn again on every save. Loopback only."""

from digest.web.preview.asgi import create_preview_app, preview_app

__all__ = ["create_preview_app", "preview_app"]
