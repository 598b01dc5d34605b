"""Mixed into vLLM's worker (`worker_extension_cls`): reading new weights whole.

vLLM's own `reload_weights` leaves a tied output layer behind on CPUs: the layer keeps a packed
copy of the embedding for its kernel, the checkpoint has no tensor for it, and so it is not packed
again (seen in 0.32: hidden states of the new weights, logits by the old ones).
"""

from __future__ import annotations

from typing import Any


class WeightReader:
    """Methods for `collective_rpc`; runs where vLLM's worker runs, in or out of our process."""

    def read_weights(self: Any, weights_path: str) -> None:
        """Read the checkpoint in `weights_path` in place, the tied output layer included."""
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        self.reload_weights(weights_path=weights_path)
        if not getattr(self.model_config.hf_text_config, "tie_word_embeddings", False):
            return
        for layer in self.get_model().modules():
            if isinstance(layer, ParallelLMHead):
                layer.quant_method.process_weights_after_loading(layer)
