"""What can go wrong behind the door to the model: what failed, where, and what to do."""

from __future__ import annotations

from sv_engine.errors import EngineError


class GenerationError(EngineError):
    """Root of this package's errors."""


class ModelLoadError(GenerationError):
    """The engine could not start: wrong path, no tokenizer, not enough memory."""


class ModelPathError(ModelLoadError):
    """What is named as the model is none that could be loaded; told before an engine starts."""

    exit_code = 2


class WeightsError(GenerationError):
    """New weights were refused before or by the engine; the old weights still serve."""


class PromptError(GenerationError):
    """One request cannot be served (too long a prompt, say); the others go on."""


class EngineDiedError(GenerationError):
    """The engine stopped in the middle; what it had yielded before stands."""


class EndpointError(GenerationError):
    """An OpenAI-compatible server refused a request or could not be reached any more."""


class RecordingError(GenerationError):
    """A recording is missing, broken, or holds nothing for what was asked."""
