#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Workloads of the native-against-vGPU comparison, one per run.

usage: workloads.py NAME      prints one JSON object: {"name", "metrics": {...}, "check": ...}
       workloads.py --list    the names, but for those that need two GPUs
       workloads.py --serve   runs what standard input names, a workload a line, each in a child of its own that
                              finds PyTorch imported; after each prints {"exit": its status}

Every metric is named with its unit; `*_us` and `*_s` are better when smaller, `*_GBps` and `*_per_s`
when larger. `check` is a value computed from the results, equal between native and vGPU runs
(exactly for ints and strings, to 1e-3 relative for floats). Nothing here knows what library answers
the CUDA calls.
"""
import json, os, socket, sys, time

_T0 = time.perf_counter()


def median(xs):
    xs = sorted(xs)
    return xs[len(xs) // 2]


def _torch():
    import torch
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    return torch


def _meet():
    """Waits for the other clients of a GPU, where there are some: compare.py is where they meet."""
    if "MEETING" in os.environ:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.environ["MEETING"])
            s.recv(1)


def _timed(torch, fn, n, repeats=5):
    """Median seconds for n calls of fn, the device drained before and after. Several clients begin together, and a
    repeat lasts until the last of them has ended: so the sum of their rates is what the GPU has done for all."""
    out = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        _meet()
        t = time.perf_counter()
        for _ in range(n):
            fn()
        torch.cuda.synchronize()
        _meet()
        out.append(time.perf_counter() - t)
    return median(out)


def driver():
    """The driver API alone, by ctypes: what it takes to a first result, and to read 4 bytes back. Needs no framework."""
    import ctypes
    t = time.perf_counter()
    cuda = ctypes.CDLL("libcuda.so.1")
    def call(name, *args):
        status = getattr(cuda, name)(*args)
        if status:
            raise RuntimeError(f"{name} gives {status}")
    context, there, here = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_uint32()
    call("cuInit", 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
    call("cuCtxSetCurrent", context)
    call("cuMemAlloc_v2", ctypes.byref(there), ctypes.c_size_t(4096))
    check = 0
    def turn(i):
        call("cuMemsetD32_v2", there, ctypes.c_uint32(i), ctypes.c_size_t(1024))
        call("cuMemcpyDtoH_v2", ctypes.byref(here), there, ctypes.c_size_t(4))
        return here.value
    check += turn(1)
    first = time.perf_counter() - t
    turns = []
    _meet()
    for i in range(2000):
        t = time.perf_counter(); check += turn(i); turns.append(time.perf_counter() - t)
    return {"first_result_s": first, "set_and_read_us": median(turns) * 1e6}, check


def start():
    """Process start to first result: driver and context initialisation included."""
    import ctypes
    t = time.perf_counter()
    torch = _torch()
    t_import = time.perf_counter() - t
    t = time.perf_counter()
    v = torch.ones(8, device="cuda").sum().item()
    return {"first_result_s": time.perf_counter() - t, "import_s": t_import}, v


def call_rates():
    """Small operations: the cost of one asynchronous launch and of one synchronous round trip."""
    torch = _torch()
    a = torch.randn(64, 64, device="cuda")
    for _ in range(200):
        a + a
    torch.cuda.synchronize()
    launch = []
    for _ in range(5):
        torch.cuda.synchronize()
        t = time.perf_counter()
        for _ in range(5000):
            b = a + a
        launch.append((time.perf_counter() - t) / 5000)
        torch.cuda.synchronize()
    total = _timed(torch, lambda: a + a, 5000) / 5000
    s = a.sum()
    item = _timed(torch, lambda: s.item(), 2000) / 2000
    e = torch.cuda.Event()
    def ev():
        e.record(); e.query()
    event = _timed(torch, ev, 2000) / 2000
    sync = _timed(torch, torch.cuda.synchronize, 2000) / 2000
    return {"eager_add_host_us": median(launch) * 1e6, "eager_add_total_us": total * 1e6, "item_us": item * 1e6,
            "event_record_query_us": event * 1e6, "synchronize_us": sync * 1e6}, float(b.double().sum().item())


def copies():
    """Copy rates, 256 MiB blocks and 4 KiB latency, pinned and pageable."""
    torch = _torch()
    n = 256 << 20
    d = torch.empty(n, dtype=torch.uint8, device="cuda")
    m = {}
    check = 0
    for kind in ("pinned", "pageable"):
        h = torch.randint(0, 255, (n,), dtype=torch.uint8)
        if kind == "pinned":
            h = h.pin_memory()
        r = torch.empty_like(h, pin_memory=(kind == "pinned"))
        d.copy_(h, non_blocking=True); r.copy_(d); torch.cuda.synchronize()
        assert torch.equal(h, r)
        m[f"h2d_{kind}_GBps"] = n / _timed(torch, lambda: d.copy_(h, non_blocking=True), 4) * 4 / 1e9
        m[f"d2h_{kind}_GBps"] = n / _timed(torch, lambda: r.copy_(d, non_blocking=True), 4) * 4 / 1e9
        hs, rs, ds = h[:4096], r[:4096], d[:4096]
        m[f"h2d_{kind}_4k_us"] = _timed(torch, lambda: (ds.copy_(hs), torch.cuda.synchronize()), 1000) / 1000 * 1e6
        m[f"d2h_{kind}_4k_us"] = _timed(torch, lambda: (rs.copy_(ds), torch.cuda.synchronize()), 1000) / 1000 * 1e6
        check += int(r[:1000].long().sum())
    m["d2d_GBps"] = 2 * n / _timed(torch, lambda: d.clone(), 20) * 20 / 1e9
    return m, 1


def _cnn(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1, stride=2),
        nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 128, 3, padding=1, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(128, 10)).cuda()


def train_small():
    """A small CNN, batch 64: bound by launches, with a loss read back every step."""
    torch = _torch()
    net = _cnn(torch)
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    x = torch.randn(64, 3, 32, 32).pin_memory(); y = torch.randint(0, 10, (64,)).pin_memory()
    losses = []
    def step():
        xx, yy = x.cuda(non_blocking=True), y.cuda(non_blocking=True)
        opt.zero_grad(); l = torch.nn.functional.cross_entropy(net(xx), yy); l.backward(); opt.step()
        losses.append(l.item())
    for _ in range(10):
        step()
    t = _timed(torch, step, 100)
    return {"steps_per_s": 100 / t}, round(losses[5], 3)


def train_resnet50():
    """ResNet-50, batch 128, bf16 autocast: bound by the GPU."""
    torch = _torch()
    import torchvision
    net = torchvision.models.resnet50(weights=None).cuda().to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(128, 3, 224, 224).pin_memory(); y = torch.randint(0, 1000, (128,)).pin_memory()
    def step():
        xx = x.cuda(non_blocking=True).to(memory_format=torch.channels_last); yy = y.cuda(non_blocking=True)
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            l = torch.nn.functional.cross_entropy(net(xx), yy)
        l.backward(); opt.step()
        return l
    for _ in range(5):
        l = step()
    t = _timed(torch, step, 10, repeats=3)
    return {"images_per_s": 1280 / t}, int(torch.isfinite(l).item())


def _gpt2(torch, **kw):
    from transformers import GPT2Config, GPT2LMHeadModel
    return GPT2LMHeadModel(GPT2Config(vocab_size=5000, bos_token_id=0, eos_token_id=1, **kw)).cuda().eval()


def decode_gpt2():
    """GPT-2 124M shapes, batch 1, eager decoding: many small launches, one read-back a token."""
    torch = _torch()
    m = _gpt2(torch).bfloat16()
    ids = torch.arange(16, device="cuda")[None]
    def gen(n):
        with torch.no_grad():
            return m.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=n, max_new_tokens=n, do_sample=False, pad_token_id=0)
    gen(8)
    t = _timed(torch, lambda: gen(64), 1, repeats=3)
    return {"tokens_per_s": 64 / t}, "".join(str(int(v) % 10) for v in gen(16)[0])


def train_gpt2():
    """GPT-2 124M shapes, 8x512 tokens, bf16 autocast, AdamW: a transformer's training step."""
    torch = _torch()
    m = _gpt2(torch).train()
    opt = torch.optim.AdamW(m.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, 5000, (8, 512)).pin_memory()
    def step():
        x = ids.cuda(non_blocking=True)
        with torch.autocast("cuda", torch.bfloat16):
            l = m(x, labels=x).loss
        opt.zero_grad(set_to_none=True); l.backward(); opt.step()
        return l
    for _ in range(3):
        l = step()
    t = _timed(torch, step, 10, repeats=3)
    return {"tokens_per_s": 10 * 8 * 512 / t}, int(torch.isfinite(l).item())


def graph_replay():
    """A CUDA graph of 40 small kernels, captured once and replayed."""
    torch = _torch()
    x = torch.randn(256, 256, device="cuda")
    def body():
        y = x
        for _ in range(20):
            y = torch.tanh(y @ x)
        return y
    s = torch.cuda.Stream(); s.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(s):
        for _ in range(3):
            body()
    torch.cuda.current_stream().wait_stream(s)
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        y = body()
    g.replay(); torch.cuda.synchronize()
    return {"replays_per_s": 500 / _timed(torch, g.replay, 500)}, round(float(y.abs().mean().item()), 3)


def compile_triton():
    """torch.compile: Triton builds a kernel and loads it through the driver API."""
    torch = _torch()
    f = torch.compile(lambda a, b: (torch.sin(a) * b).sum(-1).softmax(0))
    a, b = torch.randn(512, 512, device="cuda"), torch.randn(512, 512, device="cuda")
    v = f(a, b)
    return {"calls_per_s": 500 / _timed(torch, lambda: f(a, b), 500)}, round(float((v * torch.arange(512, device="cuda")).sum().item()), 2)


def libraries():
    """cuBLAS, cuSOLVER, cuFFT, cuSPARSE, cuRAND, cuDNN and CUB through PyTorch, answers against the CPU."""
    torch = _torch()
    x = torch.randn(256, 256, dtype=torch.float64)
    d = x.cuda()
    ok = lambda a, b, tol=1e-6: bool(torch.allclose(a.cpu(), b, rtol=tol, atol=tol))
    r = {
        "matmul": ok(d @ d, x @ x), "svd": ok(torch.linalg.svdvals(d), torch.linalg.svdvals(x)),
        "solve": ok(torch.linalg.solve(d, d[:, :4]), torch.linalg.solve(x, x[:, :4]), 1e-5),
        "fft": ok(torch.fft.fft2(d).abs(), torch.fft.fft2(x).abs()), "sort": ok(torch.sort(d.flatten())[0], torch.sort(x.flatten())[0]),
        "sparse": ok(torch.eye(256, dtype=torch.float64, device="cuda").to_sparse_csr() @ d, x),
        "conv": ok(torch.nn.functional.conv2d(d[None, None], d[None, None, :5, :5]), torch.nn.functional.conv2d(x[None, None], x[None, None, :5, :5])),
        "rng": bool(abs(torch.randn(1 << 20, device="cuda").mean().item()) < 0.01),
        "cumsum": ok(d.cumsum(0), x.cumsum(0)), "topk": ok(d.topk(5)[0], x.topk(5)[0]),
    }
    return {"passed": float(sum(r.values()))}, json.dumps(r, sort_keys=True)


def features():
    """What users do beside training and inference: see features.py."""
    torch = _torch()
    import features
    passed, check = features.run(torch)
    return {"passed": float(passed)}, check


def nccl_one():
    """NCCL with a single rank: communicator set-up and an all-reduce."""
    torch = _torch()
    import torch.distributed as dist
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29500 + os.getpid() % 500), RANK="0", WORLD_SIZE="1")
    dist.init_process_group("nccl")
    t = torch.ones(1 << 20, device="cuda"); dist.all_reduce(t); torch.cuda.synchronize()
    m = {"allreduce_us": _timed(torch, lambda: dist.all_reduce(t), 200) / 200 * 1e6}
    v = float(t[0].item() > 0); dist.destroy_process_group()
    return m, v


def _ddp(rank, store):
    torch = _torch()
    import torch.distributed as dist
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", init_method=store, rank=rank, world_size=2)
    t = torch.full((64 << 20,), rank + 1.0, device="cuda")
    dist.all_reduce(t)
    assert bool((t == 3).all()), "an all-reduce of 1 and 2 is not 3"
    t.zero_()
    small = t[:1024]
    m = {"allreduce_256MiB_GBps": t.nbytes / _timed(torch, lambda: dist.all_reduce(t), 20) * 20 / 1e9,
         "allreduce_4KiB_us": _timed(torch, lambda: dist.all_reduce(small), 200) / 200 * 1e6}
    net = torch.nn.parallel.DistributedDataParallel(_cnn(torch), device_ids=[rank])
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    x = torch.randn(64, 3, 32, 32).cuda(); y = torch.randint(0, 10, (64,)).cuda()
    losses = []
    def step():
        opt.zero_grad(); l = torch.nn.functional.cross_entropy(net(x), y); l.backward(); opt.step()
        losses.append(l.item())
    for _ in range(10):
        step()
    m["ddp_steps_per_s"] = 50 / _timed(torch, step, 50)
    dist.destroy_process_group()
    return m, round(losses[5], 3)


def ddp_two():
    """Two processes with a GPU each: NCCL's all-reduce, and training by DistributedDataParallel."""
    import subprocess, tempfile
    if "STORE" in os.environ: # the other process
        return _ddp(1, os.environ["STORE"])
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        other = subprocess.Popen([sys.executable, __file__, "ddp_two"], env={**os.environ, "STORE": store}, stdout=sys.stderr)
        try:
            result = _ddp(0, store)
            if other.wait():
                raise RuntimeError(f"the other process ended with {other.returncode}")
            return result
        finally:
            other.kill()


def dataloader_fork():
    """DataLoader workers are forked before and after the GPU is first used."""
    torch = _torch()
    class D(torch.utils.data.Dataset):
        def __len__(self): return 256
        def __getitem__(self, i): return torch.full((3, 64, 64), float(i)), i
    dl = torch.utils.data.DataLoader(D(), batch_size=32, num_workers=2, pin_memory=True)
    s = 0.0
    t = time.perf_counter()
    for _ in range(2):
        for x, i in dl:
            s += x.cuda(non_blocking=True).mean().item()
    return {"two_epochs_s": time.perf_counter() - t}, round(s, 2)


def jax_step():
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax, jax.numpy as jnp
    f = jax.jit(jax.value_and_grad(lambda w, x: jnp.mean(jnp.tanh(x @ w) ** 2)))
    w = jax.random.normal(jax.random.PRNGKey(0), (512, 512)) / 20; x = jax.random.normal(jax.random.PRNGKey(1), (256, 512))
    v, g = f(w, x); jax.block_until_ready(g)
    ts = []
    for _ in range(5):
        t = time.perf_counter()
        for _ in range(200):
            v, g = f(w, x)
        jax.block_until_ready(g); ts.append(time.perf_counter() - t)
    return {"steps_per_s": 200 / median(ts)}, round(float(v), 4)


def cupy_mix():
    import cupy as cp
    x = cp.arange(1_000_000, dtype=cp.float64).reshape(1000, 1000) / 1e6
    k = cp.RawKernel('extern "C" __global__ void axpy(float a, float* y, int n){int i=blockIdx.x*blockDim.x+threadIdx.x; if(i<n) y[i]=a*i+y[i];}', "axpy")
    y = cp.zeros(4096, dtype=cp.float32); k((16,), (256,), (cp.float32(2), y, 4096))
    v = float((x @ x).sum() + cp.sort(x.ravel())[-3:].sum() + cp.fft.fft(x[0]).real.sum() + y.sum())
    t = time.perf_counter()
    for _ in range(2000):
        k((16,), (256,), (cp.float32(2), y, 4096))
    cp.cuda.Stream.null.synchronize()
    return {"raw_kernel_us": (time.perf_counter() - t) / 2000 * 1e6}, round(v, 3)


NAMES = ["driver", "start", "call_rates", "copies", "train_small", "train_resnet50", "decode_gpt2", "train_gpt2", "graph_replay",
         "compile_triton", "libraries", "features", "nccl_one", "dataloader_fork", "jax_step", "cupy_mix"]
OF_TWO_GPUS = ["ddp_two"]

def serve():
    """Forks for each line of standard input; only children return, with the name of their workload."""
    torch = _torch()
    for line in sys.stdin:
        assert not torch.cuda.is_initialized(), "a driver that is initialised does not survive a fork"
        child = os.fork()
        if not child:
            return line.strip()
        print(json.dumps({"exit": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--list":
        print("\n".join(NAMES)); sys.exit(0)
    served = sys.argv[1] == "--serve"
    name = serve() if served else sys.argv[1]
    if name not in NAMES + OF_TWO_GPUS:
        sys.exit(f"no workload {name!r}; --list names them")
    metrics, check = globals()[name]()
    if not served:
        metrics["process_s"] = time.perf_counter() - _T0
    print(json.dumps({"name": name, "metrics": {k: round(v, 4) for k, v in metrics.items()}, "check": check}), flush=True)
