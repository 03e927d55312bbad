"""`bench parse_mb_s perdispatch=… ggml=… llama_bench=… regex=… hostile=… limit=50`: megabytes of smoke log a second.

One core, processor time, best of three. `perdispatch`: a million lines of nothing but dispatches, as the parser gives
them to a caller that takes them batch by batch, with the peak of what it allocates beside it. `hostile` is the slowest
of the logs below, each of which was made to be slow; `regex` reads a log of which every line is a dispatch.
"""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator

from runner_agent.measure import dispatches, throughput
from runner_agent.measure.text import Faults

LIMIT_MB_S = 50
LINES = 1_000_000
CHUNK_CHARS = 1 << 20
LINE = "[GPU PERDISPATCH] seq={} name=o_proj_residual_norm bubble_ns=4210 shader_ns=88120 submit_ns=10350\n"
EXPRESSION = r"kernel (?P<name>\w+) took (?P<shader_ns>\d+) ns"
REPEATS = 3


def main() -> None:
    chunk = "".join(LINE.format(seq) for seq in range(10_000))
    took = {
        "perdispatch": _mb_s(lambda: _stream(chunk), len(chunk) * (LINES // 10_000), 1),
        "ggml": _rate(_ggml(), "ggml-vk"),
        "llama_bench": _rate_throughput(_llama_bench()),
        "regex": _rate(
            "".join(f"12:00:00 kernel o_proj_residual_norm_{n} took {n} ns\n" for n in range(200_000)), EXPRESSION
        ),
    }
    hostile = {name: rate() for name, rate in _hostile()}
    took["hostile"] = min(hostile.values())
    told = " ".join(f"{name}={rate:.0f}" for name, rate in took.items())
    print(f"bench parse_mb_s {told} limit={LIMIT_MB_S}")
    print("bench parse_hostile_mb_s " + " ".join(f"{name}={rate:.0f}" for name, rate in hostile.items()))
    print(f"bench parse_peak_mib million_dispatches={_peak_mib(chunk):.1f} log_mb={len(chunk) * 100 / 1e6:.0f}")


def _hostile() -> Iterator[tuple[str, Callable[[], float]]]:
    dice = random.Random(7)
    keys = ["seq=1", "name=n", "bubble_ns=4210", "shader_ns=88120", "submit_ns=10350", "queue=2"]
    shuffled = "".join("[GPU PERDISPATCH] " + " ".join(dice.sample(keys, len(keys))) + "\n" for _ in range(60_000))
    coloured = "".join(LINE.format(n).replace(" ", " \x1b[33m").replace("=", "\x1b[0m=") for n in range(50_000))
    good, more = LINE.format(1), LINE.format(1).replace("\n", " queue=2\n")
    logs = {
        "other_text": "x" * 99 + "\n",
        "one_line": "x" * 10_000,
        "cut_tags": "[GPU PERDIS",
        "almost_tags": "[GPU PREDIS",
        "bare_tags": "[GPU ",
        "whole_tags": "[GPU PERDISPATCH]",
        "malformed": good.replace("88120", "-88120"),
        "tiny_malformed": "[GPU PERDISPATCH] x\n",
        "key_missing": good.replace(" seq=1", ""),
        "key_twice": good.replace("\n", " seq=1\n"),
        "every_second_malformed": good + good.replace("88120", "nan"),
        "every_second_cut": good + "[GPU PERDIS\n",
        "shapes": good + more + good.replace("\n", " a=1 b=2\n"),
        "large_numbers": good.replace("seq=1", f"seq={2**64 - 1}"),
        "escapes": "\x1b[0m",
        "carriage_returns": good.replace("\n", "\r"),
        "interleaved": good + "warning: unused variable\n[GPU THROUGHPUT] tokens=1 seconds=1 tok_s=1\n",
    }
    for name, piece in logs.items():
        yield name, lambda piece=piece: _rate(piece * (8_000_000 // len(piece)), "perdispatch")
    yield "shuffled_keys", lambda: _rate(shuffled, "perdispatch")
    yield "colours", lambda: _rate(coloured, "perdispatch")
    yield "ggml_rubbish", lambda: _rate("Vulkan Timings:\n" + "ADD: : x: 9 x 1 \n" * 400_000, "ggml-vk")
    yield "ggml_blank", lambda: _rate("Vulkan Timings:\n" + "\n" * 8_000_000, "ggml-vk")
    speeds = "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=nan\n" * 150_000
    yield "throughput_malformed", lambda: _rate_throughput(speeds, "matins")
    starts = {
        "json_starts": '{"\n',
        "json_depth": '[{"avg_ts": [\n',
        "json_open": '{"a": 1,\n',
        "json_broken": '{"avg_ts": 1,\n',
        "json_speeds": '"avg_ts"',
    }
    for name, piece in starts.items():
        yield name, lambda piece=piece: _rate_throughput(piece * (8_000_000 // len(piece)))
    yield "regex_no_match", lambda: _rate(("x" * 99 + "\n") * 80_000, EXPRESSION)
    yield "regex_short_lines", lambda: _rate("kernel\n" * 1_000_000, EXPRESSION)
    yield "regex_long_lines", lambda: _rate(("kernel " * 1000 + "\n") * 1000, EXPRESSION)


def _ggml() -> str:
    rows = "".join(f"MUL_MAT_VEC q4_K m=2048 n=1 k={n}: 24 x 120.5 us = 2892 us (12.3 GFLOPS/s)\n" for n in range(20))
    return f"----------------\nVulkan Timings:\n{rows}Total time: 3156 us.\n" * 6_000


def _llama_bench() -> str:
    row = {
        "build_commit": "b1a2c3d4",
        "gpu_info": "AMD Radeon RX 7900 XTX (RADV NAVI31)",
        "model_filename": "models/llama-7b-q4_k_m.gguf",
        **dict.fromkeys(("n_batch", "n_ubatch", "n_threads", "n_gpu_layers", "main_gpu", "n_depth"), 128),
        **dict.fromkeys(("no_kv_offload", "flash_attn", "use_mmap", "embeddings"), False),
        "n_prompt": 0,
        "n_gen": 128,
        "test_time": "2026-03-01T12:00:00Z",
        "avg_ns": 2500000000,
        "stddev_ns": 400000,
        "avg_ts": 51.2,
        "stddev_ts": 0.1,
        "samples_ns": [2500000000] * 5,
        "samples_ts": [51.2] * 5,
    }
    return "load_tensors: done\n" + json.dumps([row] * 10_000, indent=2) + "\n"


def _stream(chunk: str) -> None:
    faults = Faults()
    pieces = (chunk for _ in range(LINES // 10_000))
    if sum(len(batch) for batch in dispatches.batches(pieces, "perdispatch", faults)) != LINES or faults.count:
        raise SystemExit("not every dispatch was read: the benchmark measures nothing")


def _peak_mib(chunk: str) -> float:
    tracemalloc.start()
    _stream(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def _rate(text: str, fmt: str) -> float:
    def consume() -> None:
        for batch in dispatches.batches((text,), fmt, Faults()):
            len(batch)

    return _mb_s(consume, len(text), REPEATS)


def _rate_throughput(text: str, fmt: str = "llama-bench") -> float:
    return _mb_s(lambda: sum(1 for _ in throughput.samples((text,), fmt, Faults())), len(text), REPEATS)


def _mb_s(work: Callable[[], object], size: int, repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return size / 1e6 / best


if __name__ == "__main__":
    main()
