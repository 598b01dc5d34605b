"""Values of the configuration that have names."""

from __future__ import annotations

from enum import StrEnum


class PromptFormat(StrEnum):
    """Whether a prompt is one user turn of a chat or plain text to be continued."""

    AUTO = "auto"
    """Chat when the tokenizer has a chat template, plain otherwise."""
    CHAT = "chat"
    PLAIN = "plain"


class StartFrom(StrEnum):
    """Which weights an iteration trains."""

    LAST = "last"
    """The weights of the iteration before."""
    BASE = "base"
    """The base weights, on all accepted data so far, or `recipe.replay` of it."""


class ProblemSource(StrEnum):
    """Where the problems of self-play come from."""

    POCKET = "pocket"
    STARTER = "starter"
    """Small tasks in plain English, packaged."""
    JSONL = "jsonl"
    DESCRIBE = "describe"
    """The model invents them from seed snippets."""


class RoleSet(StrEnum):
    """Which prompt templates are the defaults."""

    POCKET = "pocket"
    CHAT = "chat"
    """For instruction-tuned models: each prompt asks, and the model answers in its own way."""
    EXAMPLES = "examples"
    """For small models and for those without a chat template: worked examples, and the answer is
    begun."""


class TestSampling(StrEnum):
    """How a test gets its expected value."""

    __test__ = False  # pytest must not collect this class

    SINGLE = "single"
    """As it was sampled."""
    TWO_STAGE = "two-stage"
    """Derived again several times for the same input, and kept by agreement."""


class Backend(StrEnum):
    """What stands behind the generator."""

    VLLM = "vllm"
    OPENAI = "openai"
    RECORDED = "recorded"


class RecipeName(StrEnum):
    """How believed programs and tests become training data."""

    CONSENSUS = "consensus"
    SOL_VER = "sol-ver"
    SSD = "ssd"
    """Simple self-distillation: what was sampled is taught as it is, nothing is believed or
    refuted. The control without a verifier."""


class Schedule(StrEnum):
    """How the learning rate falls after the warm-up, to `final_lr_share` of its peak."""

    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant"


class TestPairing(StrEnum):
    """Which accepted test a refuted one is paired with."""

    __test__ = False

    SAME_SIZE = "same-size"
    """One whose input has as many elements, so that no preference for small inputs is taught."""
    SAME_CALL = "same-call"
    """One with the very same input: only the expected value is taught."""
    ANY = "any"
