"""Names from files and scenes in places where Qt would take a tag in them for formatting."""

from __future__ import annotations

import html


def plain_tool_tip(text: str) -> str:
    """A tool tip that shows `text` as it stands; Qt takes every tool tip with a tag in it for rich text."""
    if "<" not in text and "&" not in text:
        return text
    return "<qt>" + html.escape(text, quote=False).replace("\n", "<br/>") + "</qt>"
