"""The configuration of a run: every knob, its unit, its default, in the order of the flow.

The schema only; `config.layers.load` reads files, environment and command line into it. Sections
are frozen and know no other keys than these. Values with names are in `config.choices`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sv_engine.config.choices import Backend as Backend
from sv_engine.config.choices import ProblemSource as ProblemSource
from sv_engine.config.choices import PromptFormat as PromptFormat
from sv_engine.config.choices import RecipeName as RecipeName
from sv_engine.config.choices import RoleSet as RoleSet
from sv_engine.config.choices import Schedule as Schedule
from sv_engine.config.choices import StartFrom as StartFrom
from sv_engine.config.choices import TestPairing as TestPairing
from sv_engine.config.choices import TestSampling as TestSampling
from sv_engine.selection import SELECTORS, parameters

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Run(Section):
    """The run as a whole."""

    name: str = "run"
    """Prefix of the run directory."""
    out: Path = Path("runs")
    """Folder that gets the run directory `<name>-<time>`."""
    seed: int = 0
    iterations: int = Field(default=2, ge=0)
    """0 evaluates the base model and stops."""
    start_from: StartFrom = StartFrom.LAST


class Model(Section):
    """The model that plays both roles."""

    path: str = "pocket"
    """`pocket` (shipped), a directory, or a name that Hugging Face knows."""
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "auto"
    prompt_format: PromptFormat = PromptFormat.AUTO


class Problems(Section):
    """The unlabelled problems that the model plays."""

    source: ProblemSource = ProblemSource.POCKET
    path: Path | None = None
    """JSONL of problems (`jsonl`) or of seed snippets, one `{"text": ...}` a line (`describe`)."""
    count: Positive = 300
    """P: problems per iteration."""
    ngram: Positive = 13
    """Words in a row that a problem may not share with a held-out problem."""
    near_duplicate: Share = 0.85
    """Two problems whose word 3-grams overlap this much (Jaccard) are the same problem."""


class Generate(Section):
    """Sampling."""

    backend: Backend = Backend.VLLM
    urls: tuple[str, ...] = ()
    """Base URLs of OpenAI-compatible servers, as "http://host:8000/v1" (`openai`)."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; servers without keys need none (`openai`)."""
    reload_method: str = "reload_weights"
    """Worker method that reads whole weights. Servers on a CPU need "read_weights", and to be
    started with `--worker-extension-cls sv_engine.generate.vllm_worker.WeightReader` (`openai`)."""
    timeout_s: Rate = 600.0
    """Longest wait for one completion (`openai`)."""
    attempts: Positive = 6
    """Tries per completion before the run fails (`openai`)."""
    pause_s: Rate = 0.5
    """First pause after a failure; doubles each time, at most 30 s (`openai`)."""
    recording: Path | None = None
    """What the `recorded` backend replays: a run's `journal.sqlite`, or JSON lines."""
    time_scale: float = Field(default=0.0, ge=0)
    """Speed of the replay: 0 at once, 1 as it was recorded."""
    solutions: Positive = 16
    """S: programs sampled per problem."""
    tests: Positive = 16
    """T: test completions sampled per problem."""
    suites_per_solution: Positive = 4
    """Of the T, those for one program, where the verifier sees it; two are needed for a pair."""
    max_asserts: Positive = 8
    """Tests that are read of one completion, the first ones; each may be derived again."""
    temperature: float = Field(default=1.0, ge=0)
    top_p: Share = 1.0
    """Below 1 vLLM sorts the vocabulary for every token: half of a small model's time on a CPU."""
    min_p: Share = 0.0
    """Draw from tokens that are at least so likely, as a share of the likeliest one's probability
    (Nguyen et al. 2024, arXiv 2407.01082); cuts off a tail as top_p does, and needs no sorting."""
    max_tokens: Positive = 512
    test_sampling: TestSampling = TestSampling.TWO_STAGE
    derivations: Positive = 4
    """How often an input's expected value is derived again (`two-stage`)."""
    derive_temperature: float = Field(default=0.6, ge=0)
    agreement: Share = 0.5
    """Smallest share of the votes that an expected value needs; tests with others are judged, but
    are no evidence. 0 keeps all, weighing each by its votes (`two-stage`)."""
    critique: bool = False
    """Let the verifier drop or repair its own tests before they run."""
    enough_solutions: int = Field(default=0, ge=0)
    """Stop sampling a problem's programs once this many distinct ones are there; 0: never."""
    enough_tests: int = Field(default=0, ge=0)
    problems_in_flight: Positive = 64
    max_in_flight: Positive = 1024
    """Bound on completions running or waiting to be consumed."""
    max_model_len: Positive | None = None
    """Longest prompt and completion together, in tokens; None: what the model allows."""
    max_sequences: Positive = 256
    """Completions that vLLM computes in one batch."""
    kv_cache_mib: Positive | None = None
    """Memory for vLLM's key-value cache; None: 512 on a CPU, what is left on a GPU."""
    tensor_parallel: Positive = 1
    """GPUs that share one copy of the model."""
    threads: Positive = 1
    """Compute threads of vLLM on a CPU; one is best for very small models."""
    gpu_memory: Share = 0.9
    """Share of GPU memory that vLLM keeps."""
    sleep_while_training: bool = True
    """One GPU: vLLM gives its memory back during training, or else keeps its share."""


class Roles(Section):
    """Prompts. An empty template stands for the default of the set."""

    templates: RoleSet = RoleSet.CHAT
    verifier_sees: Literal["problem", "solution"] = "problem"
    """Tests from the problem alone, or from the problem and one solution (as the paper does)."""
    test_begins: str = ""
    """What the arguments of a begun test begin with, such as "[" where functions take lists (a
    small model writes `range(9)` there otherwise); only where the set begins tests (`examples`)."""
    describe: tuple[str, ...] = ()
    """Several templates spread difficulty and topic; each snippet gets the next one."""
    solve: str = ""
    verify: str = ""
    verify_solution: str = ""
    derive: str = ""
    critique: str = ""


class Execute(Section):
    """The sandbox."""

    executor: Literal["local", "http", "ray"] = "local"
    servers: list[str] = []  # for http: URLs of `sv-engine serve`, whose token is in SV_TOKEN
    workers: Positive | None = None
    """None: one per core."""
    cpu_s: Rate = 1.0
    """CPU time of one cell."""
    require: Literal["none", "basic", "confined", "isolated"] = "basic"
    """Weakest jail level to run in; `sv-engine doctor` names what this machine has."""
    reference_cpu_s: Rate = 2.0
    """CPU time of a reference test, which is many asserts in one."""
    judge: Literal["split", "inline"] = "split"
    """`split`: program and test in different processes, so that a verdict cannot be forged."""
    trust: Literal["proven", "vouched", "inline"] = "proven"
    """What a pass needs: `proven` plain data, an object's `vouched` yes, or `inline` anything."""
    below: Literal["hole", "fail"] = "hole"
    """What a pass with less trust becomes."""
    cache: Path | None = None
    """SQLite file of verdicts that earlier runs found, which several may share (`local`)."""
    cache_mib: Positive = 256
    """Above it the verdicts that were used longest ago go."""
    timeouts: Literal["escalating", "exact"] = "escalating"
    """`escalating`: of a program that never ends, one test runs to the whole limit, others less."""
    min_cells: Positive = 64
    """Cells that an idle worker may run before all tests of their problem are there."""


class Select(Section):
    """What to believe about a pass matrix."""

    selector: str = "b4"
    options: dict[str, float] = Field(default_factory=dict)
    """Parameters of the selector, by name."""

    @model_validator(mode="after")
    def _known(self) -> Select:
        if self.selector not in SELECTORS:
            raise ValueError(_unknown("selector", self.selector, SELECTORS))
        known = [] if self.selector == "random" else parameters(self.selector)
        for name in self.options:
            if name not in known:
                raise ValueError(_unknown(f"option of {self.selector}", name, known))
        return self


class Recipe(Section):
    """Believed programs and tests -> training data, with the guards against collapse."""

    name: RecipeName = RecipeName.CONSENSUS
    min_solution_samples: Positive = 3
    """Guard: samples that the accepted group of programs must have."""
    min_tests: Positive = 3
    """Guard: tests with different inputs that the accepted programs must pass."""
    min_agreement: Share = 0.0
    """Guard: how far programs and tests must agree on what is accepted (`selection.agreement`)."""
    min_votes: int = Field(default=0, ge=0)
    """A problem that a guard refuses still teaches the verifier the tests whose expected value has
    so many votes (samples and derivations) and the most on its call, in `consensus`; 0: none."""
    min_vote_share: Share = 0.6
    """And this share of the votes on its call."""
    max_kill: Share = 0.9
    """And that at most this share of the sampled programs fails: a test of a weak model that hardly
    any program passes is most often a wrong one."""
    min_input_size: int = Field(default=0, ge=0)
    """Guard: elements in the input of a test that may be learnt (0: any); stops trivial inputs."""
    kill_floor: Rate = 0.05
    """Tests are drawn with weight (share of sampled programs they reject + this)."""
    solutions_per_problem: Positive = 2
    tests_per_problem: Positive = 6
    tests_per_example: Positive = 1
    """Asserts in one supervised completion of the verifier."""
    solution_pairs_per_problem: int = Field(default=2, ge=0)
    test_pairs_per_problem: int = Field(default=6, ge=0)
    pair_tests: TestPairing = TestPairing.SAME_SIZE
    replay: Share | None = None
    """Examples of earlier iterations, as a share of this one's, hard tests the likelier; None: none
    from the last weights, all data so far from the base ones."""


class Stage(Section):
    """One training stage."""

    learning_rate: Rate
    epochs: float = Field(gt=0)
    batch_size: Positive
    """Examples (or pairs) per optimiser step, over all devices."""
    micro_batch_size: Positive | None = None
    """Examples per device and forward pass; None: the whole batch at once."""
    schedule: Schedule = Schedule.LINEAR
    warmup_steps: int = Field(default=5, ge=0)
    """At most half of the steps of a stage are warm-up."""
    final_lr_share: Share = 0.1
    """The schedule ends at this share of the learning rate."""
    optimiser: str = "adamw_torch"
    """Any optimiser name of transformers' TrainingArguments."""
    adam_beta2: float = Field(default=0.95, gt=0, lt=1)
    """Decay of Adam's second moment; short runs like it below the usual .999."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: Rate = 1.0


class Sft(Stage):
    """Supervised fine-tuning on the accepted."""

    enabled: bool = True
    learning_rate: Rate = 2e-4
    epochs: float = Field(default=2, gt=0)
    batch_size: Positive = 48


class Dpo(Stage):
    """Direct preference optimisation, accepted over refuted; reference: the model after SFT."""

    enabled: bool = True
    learning_rate: Rate = 5e-6
    epochs: float = Field(default=1, gt=0)
    batch_size: Positive = 24
    beta: Rate = 0.2
    nll_weight: float = Field(default=0.2, ge=0)
    """Weight of the chosen text's negative log-likelihood beside the DPO loss."""


class Train(Section):
    """What both stages share."""

    method: Literal["lora", "full"] = "lora"
    lora_rank: Positive = 16
    lora_alpha: Positive = 32
    lora_dropout: Share = 0.0
    decay_per_iteration: Rate = 1.0
    """Learning rates are multiplied by this from one iteration to the next."""
    max_length: Positive = 2048
    """Tokens of prompt and completion; longer examples are cut."""
    precision: Literal["auto", "fp32", "bf16-mixed", "bf16"] = "fp32"
    """bf16-mixed: bf16 arithmetic on fp32 weights; bf16: bf16 weights too; auto: bf16-mixed where
    the accelerator or the CPU multiplies bfloat16 itself, else fp32."""
    gradient_checkpointing: bool = False
    launch: tuple[str, ...] = ()
    """Launcher for several devices or machines, such as ["torchrun", "--nproc_per_node", "8"] or
    ["accelerate", "launch"]; empty: one process. A bare name is looked for beside this Python, then
    on PATH."""
    threads: Positive | None = None
    """CPU threads of the training process; None: one per core."""


class Evaluate(Section):
    """Held-out evaluation."""

    source: Literal["pocket", "starter", "jsonl"] = "pocket"
    path: Path | None = None
    """JSONL of problems with references (`jsonl`), see docs/formats.md; `wrong_solutions` is their
    frozen bank."""
    benchmarks: tuple[str, ...] = ()
    """Public benchmarks beside them, as of `sv-engine eval`: mbpp, humaneval, livecodebench, or
    files. Measured at the first temperature, every task."""
    data: Path | None = None
    """Folder of the benchmarks' files; None: data, or ../shared/data."""
    problems: Positive = 400
    samples: Positive = 4
    """Completions per problem, role and temperature; one where greedy."""
    temperatures: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(1.0, 0.6, 0.0), min_length=1
    )
    """The first is the one that the headline figures are measured at."""
    k: tuple[Positive, ...] = (1, 4)
    """The k of pass@k; those above `samples` are left out."""


class Config(Section):
    """Everything."""

    run: Run = Run()
    model: Model = Model()
    problems: Problems = Problems()
    generate: Generate = Generate()
    roles: Roles = Roles()
    execute: Execute = Execute()
    select: Select = Select()
    recipe: Recipe = Recipe()
    sft: Sft = Sft()
    dpo: Dpo = Dpo()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        packaged = self.problems.source in (ProblemSource.POCKET, ProblemSource.STARTER) or (
            self.problems.source is ProblemSource.DESCRIBE
            and self.roles.templates is RoleSet.POCKET
        )
        if not packaged and self.problems.path is None:
            raise ValueError(f'problems.source = "{self.problems.source}" needs problems.path')
        backend, evaluate = self.generate.backend, self.evaluate
        if backend is Backend.OPENAI and not self.generate.urls:
            raise ValueError('generate.backend = "openai" needs generate.urls')
        if backend is Backend.RECORDED and self.generate.recording is None:
            raise ValueError('generate.backend = "recorded" needs generate.recording')
        if self.execute.cache is not None and self.execute.executor != "local":
            raise ValueError('execute.cache needs execute.executor = "local"')
        if evaluate.source == "jsonl" and evaluate.path is None:
            raise ValueError('evaluate.source = "jsonl" needs evaluate.path')
        return self
