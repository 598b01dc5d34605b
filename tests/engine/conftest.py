"""Fixtures that several test files share."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a random two-layer Llama over bytes, with its tokenizer; skips without torch."""
    pytest.importorskip("torch", reason="needs the cpu or cuda extra")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("tiny")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: i for i, token in enumerate(["<s>", "</s>", "<pad>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=words, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", words["<s>"])]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=words["<s>"],
        eos_token_id=words["</s>"],
        pad_token_id=words["<pad>"],
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


class FakeOpenAI(ThreadingHTTPServer):
    """An OpenAI-compatible server on loopback whose answers and failures a test scripts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.failures: deque[int] = deque()
        """Status codes of the next answers; 0 drops the connection."""
        self.models: list[dict[str, Any]] = []
        """What `/v1/models` lists."""
        self.release = threading.Event()
        """Completions with max_tokens above 100 wait for it, or for the client to go away."""
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.waiting = threading.Semaphore(0)
        """Released once per client that waits."""
        self.left = threading.Semaphore(0)
        """Released once per client that went away before its answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeOpenAI

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self.server.requests.append((self.path, body))
        status = self.server.failures.popleft() if self.server.failures else 200
        if status == 0:
            self.close_connection = True
        elif status != 200:
            self._answer(status, {"error": {"message": f"scripted {status}"}})
        elif self.path in ("/v1/completions", "/v1/chat/completions"):
            if body["max_tokens"] > 100 and not self._wait():
                return
            self._answer(200, completion_answer(body))
        elif self.path == "/v1/models":
            self._answer(200, {"object": "list", "data": self.server.models})
        else:
            self._answer(200, {})

    do_GET = do_POST

    def _wait(self) -> bool:
        """Whether the release came before the client left."""
        self.server.waiting.release()
        while not self.server.release.wait(0.01):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                self.close_connection = True
                self.server.left.release()
                return False
        return True

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def completion_answer(body: dict[str, Any]) -> dict[str, Any]:
    """An answer that tells what was asked: the prompt, the model and the seed."""
    prompt = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
    text = f"{prompt}|{body['model']}|{body.get('seed')}"
    choice = {"index": 0, "text": text, "message": {"role": "assistant", "content": text}}
    return {
        "id": "x",
        "object": "text_completion",
        "created": 0,
        "model": body["model"],
        "choices": [{**choice, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


@pytest.fixture
def openai_server() -> Iterator[FakeOpenAI]:
    """A running fake server."""
    with FakeOpenAI() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()
