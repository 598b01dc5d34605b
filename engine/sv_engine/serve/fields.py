"""Fields of requests that several protocols have, and answers that hold whatever a request held."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"no Unicode text: half of a character at {error.start}") from None
    return text


Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
Text = Annotated[str, AfterValidator(_utf8)]
"""Text that can be written as UTF-8. (JSON can name half of a character, `"\\ud800"`.)"""


class Echo(JSONResponse):
    """JSON of what a client sent: halves of characters come back as they came; NaN and infinities,
    which JSON does not have, as null."""

    def render(self, content: Any) -> bytes:
        """ASCII. Raises HTTPException for what is nested too deeply to be written."""
        try:
            try:
                return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
            except ValueError:
                return json.dumps(_finite(content), separators=(",", ":")).encode()
        except RecursionError:
            raise HTTPException(422, "the body is nested too deeply") from None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
