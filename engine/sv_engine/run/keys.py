"""Keys of content: what was asked, whatever it belongs to."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

from sv_engine.generate.protocol import GenerationRequest, Sampling
from sv_engine.records import plain

_sorted = json.JSONEncoder(sort_keys=True).encode


def content_key(*parts: object) -> str:
    """A 128-bit key of the parts, in hexadecimal."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def request_key(request: GenerationRequest) -> str:
    """Key of what is asked, whatever the number of samples."""
    return content_key(request.prompt, sampling_text(request.sampling))


@lru_cache(maxsize=1 << 10)  # asked several times for each request
def sampling_text(sampling: Sampling) -> str:
    """JSON of how is sampled."""
    told = plain(sampling)
    if not sampling.min_p:  # as journals that are older than it name their requests
        del told["min_p"]
    return _sorted(told)
