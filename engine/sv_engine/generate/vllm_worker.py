"""Mixed into vLLM's worker (`worker_extension_cls`): two things that vLLM leaves out on CPUs.

vLLM imports this module once in every worker process, before it loads the model.

**Reading new weights whole.** vLLM's own `reload_weights` leaves a tied output layer behind: the
layer keeps a packed copy of the embedding for its kernel, the checkpoint has no tensor for it, and
so it is not packed again (seen in 0.32: hidden states of the new weights, logits by the old ones).

**AMX.** vLLM's bfloat16 attention uses the AMX tiles of newer Intel processors. Linux lets a
process use them only after it has asked, and vLLM does not ask: the process dies of SIGILL unless
another library, choosing AMX for a larger matrix, happened to ask before (seen in 0.32).
"""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

SYS_ARCH_PRCTL = 158
ARCH_REQ_XCOMP_PERM = 0x1023
XFEATURE_XTILEDATA = 18
"""Linux on x86-64: asm/unistd_64.h, asm/prctl.h and Documentation/arch/x86/xstate.rst."""


def ask_for_amx() -> None:
    """Ask Linux for the AMX tiles; without any effect where there are none."""
    if sys.platform == "linux" and platform.machine() == "x86_64":
        # An error means that processor or kernel have no AMX, and then nobody will use it.
        ctypes.CDLL(None).syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)


ask_for_amx()


class WeightReader:
    """Methods for `collective_rpc`; runs where vLLM's worker runs, in or out of our process."""

    def read_weights(self: Any, weights_path: str | None = None) -> None:
        """Read the checkpoint in `weights_path` in place, the tied output layer included; None:
        that of the model the server was started with."""
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        self.reload_weights(weights_path=weights_path)
        if not getattr(self.model_config.hf_text_config, "tie_word_embeddings", False):
            return
        for layer in self.get_model().modules():
            if isinstance(layer, ParallelLMHead):
                layer.quant_method.process_weights_after_loading(layer)
