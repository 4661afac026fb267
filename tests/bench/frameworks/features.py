# SPDX-License-Identifier: Apache-2.0
"""What users of frameworks do beside training and inference, each a function that returns a value or fails.

The workload 'features' runs them all; its check, what each gave or how it failed, is compared with native's. So values
must not depend on the machine, nor on what else uses the GPU. Those that need a process of their own, for the fork's
or the environment's sake, have one (`own`).
"""
import json
import os
import subprocess
import sys

FEATURES = []


def feature(function):
    FEATURES.append(function)
    return function


def own(code, **environment):
    """Runs code in a Python of its own, with modules that most need imported, and returns what it prints."""
    run = subprocess.run([sys.executable, "-c", "import torch, os, sys\n" + code], env=dict(os.environ, **environment),
                         capture_output=True, text=True, timeout=120)
    if run.returncode:
        raise RuntimeError(f"exit {run.returncode}: {run.stderr.strip()[-150:]}")
    return run.stdout.strip()


GROW = """
total = 0
for turn in range(3):
    blocks = [torch.full((1 << 18 + turn,), float(i), device="cuda") for i in range(40)]
    total += sum(int(b.sum().item()) for b in blocks)
    del blocks[::2]
    blocks += [torch.ones(3 << 19, device="cuda") for _ in range(8)]
    total += sum(int(b.sum().item()) for b in blocks)
print(total)
"""


@feature
def memory_statistics(torch):
    torch.cuda.synchronize(); torch.cuda.empty_cache(); torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    block = torch.empty(32 << 20, dtype=torch.uint8, device="cuda")
    free, total = torch.cuda.mem_get_info()
    assert 0 < free < total and torch.cuda.memory_reserved() >= 32 << 20
    return torch.cuda.memory_allocated() - before, torch.cuda.max_memory_allocated() - before, block.numel()


@feature
def out_of_memory(torch):
    try:
        torch.empty(1 << 42, dtype=torch.uint8, device="cuda")
    except torch.OutOfMemoryError:
        return int(torch.ones(10, device="cuda").sum())


@feature
def expandable_segments(_):
    return own(GROW, PYTORCH_CUDA_ALLOC_CONF="expandable_segments:True")


@feature
def asynchronous_allocator(_):
    return own(GROW, PYTORCH_CUDA_ALLOC_CONF="backend:cudaMallocAsync")


@feature
def blocking_launches(_):
    return own(GROW, CUDA_LAUNCH_BLOCKING="1")


@feature
def memory_pool(torch):
    pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool):
        a = torch.ones(1 << 20, device="cuda")
    return int(a.sum())


@feature
def ranges(torch):
    torch.cuda.nvtx.mark("here")
    with torch.cuda.nvtx.range("sum"):
        return int(torch.ones(100, device="cuda").sum())


@feature
def profiler(torch):
    with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as p:
        r = int(torch.ones(100, device="cuda").sum())
    return r, any(e.key == "aten::sum" for e in p.key_averages())


@feature
def registered_memory(torch):
    runtime, a = torch.cuda.cudart(), torch.arange(1 << 20, dtype=torch.int32)
    assert int(runtime.cudaHostRegister(a.data_ptr(), a.nbytes, 0)) == 0
    pinned = a.is_pinned()
    b = a.cuda(non_blocking=True) * 2
    a.copy_(b)
    assert int(runtime.cudaHostUnregister(a.data_ptr())) == 0
    return pinned, int(a.long().sum())


@feature
def attention(torch):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 256, 64, device="cuda", dtype=torch.float16) for _ in range(3))
    results = []
    for backend in (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION):
        with sdpa_kernel(backend):
            results.append(torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))
    return [bool(torch.allclose(r, results[0], atol=5e-3)) for r in results]


@feature
def autocast(torch):
    torch.manual_seed(0)
    net = torch.nn.Linear(64, 64).cuda()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        y = net(torch.ones(8, 64, device="cuda"))
    return str(y.dtype), round(float(y.float().sum()), 1)


@feature
def eight_bits(torch):
    a = torch.ones(32, 64, device="cuda").to(torch.float8_e4m3fn)
    b = torch.ones(16, 64, device="cuda").to(torch.float8_e4m3fn).t()
    one = torch.ones((), device="cuda")
    return float(torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16).float().sum())


@feature
def random_numbers(torch):
    torch.cuda.manual_seed(7)
    return [round(float(torch.randn(1000, device="cuda").sum()), 3), int(torch.randint(0, 1000, (1000,), device="cuda").sum()),
            int(torch.randperm(1000, device="cuda")[:10].sum())]


@feature
def graph_pools(torch):
    pool, side = torch.cuda.graph_pool_handle(), torch.cuda.Stream()
    x, graphs, outs = torch.ones(1000, device="cuda"), [], []
    with torch.cuda.stream(side):
        (x * 2).sum()
    torch.cuda.synchronize()
    for i in range(3):
        g = torch.cuda.CUDAGraph()
        with torch.cuda.graph(g, pool=pool):
            outs.append((x * (i + 2)).sum())
        graphs.append(g)
    for g in graphs:
        g.replay()
    x.fill_(2)
    graphs[-1].replay()
    return float(outs[-1])


@feature
def streams_and_events(torch):
    streams = [torch.cuda.Stream(priority=-(i % 2)) for i in range(64)]
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    parts = []
    start.record()
    for i, s in enumerate(streams):
        s.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(s):
            parts.append(torch.full((1000,), i, device="cuda").sum())
    for s in streams:
        torch.cuda.current_stream().wait_stream(s)
    end.record(); end.synchronize()
    return int(sum(parts)), start.elapsed_time(end) > 0


@feature
def thousand_streams(_):
    import cupy as cp
    streams, rows = [cp.cuda.Stream(non_blocking=True) for _ in range(1000)], cp.zeros((1000, 64))
    cp.cuda.Device().synchronize()
    for i, s in enumerate(streams):
        with s:
            rows[i] += i
    cp.cuda.Device().synchronize()
    return float(rows.sum())


@feature
def host_functions(_):
    import cupy as cp
    told, s = [], cp.cuda.Stream(non_blocking=True)
    with s:
        a = cp.ones(1000).sum()
        s.launch_host_func(told.append, 1)
        s.add_callback(lambda *_: told.append(2), None)
    s.synchronize()
    return told, float(a)


@feature
def managed_memory(_):
    import cupy as cp
    with cp.cuda.using_allocator(cp.cuda.MemoryPool(cp.cuda.malloc_managed).malloc):
        a = cp.arange(1 << 16, dtype=cp.int64)
        return int((a * 2).sum())


@feature
def cooperative_launch(_):
    import cupy as cp
    k = cp.RawKernel(r'''
        #include <cooperative_groups.h>
        extern "C" __global__ void k(int *x, int n) {
            int i = blockIdx.x * blockDim.x + threadIdx.x;
            x[i] = i;
            cooperative_groups::this_grid().sync();
            int other = x[(i + n / 2) % n];
            cooperative_groups::this_grid().sync();
            x[i] = other;
        }''', "k", options=("--std=c++17",), enable_cooperative_groups=True)
    x = cp.zeros(1024, dtype=cp.int32)
    k((8,), (128,), (x, 1024))
    return int(x[0]), int(x.sum())


@feature
def large_module(_):
    import cupy as cp
    m = cp.RawModule(code=r'''
        __device__ int big[1 << 28];
        extern "C" __global__ void k(int *last) { big[(1 << 28) - 1] += 3; *last = big[(1 << 28) - 1]; }''')
    last = cp.zeros(1, dtype=cp.int32)
    for _ in range(2):
        m.get_function("k")((1,), (1,), (last,))
    return int(last[0])


def _child(queue, answers):
    import torch
    t, event = queue.get()
    torch.cuda.Event.from_ipc_handle(torch.device("cuda:0"), event).synchronize()
    answers.put(int(t.sum()))
    t.add_(1)
    torch.cuda.synchronize()
    answers.put("done")


@feature
def tensors_to_a_process(torch):
    context = torch.multiprocessing.get_context("spawn")
    queue, answers = context.Queue(), context.Queue()
    child = context.Process(target=_child, args=(queue, answers))
    child.start()
    t, event = torch.ones(1000, device="cuda"), torch.cuda.Event(interprocess=True)
    event.record()
    queue.put((t, event.ipc_handle()))
    seen = answers.get(timeout=60)
    answers.get(timeout=60)
    child.join(60)
    return seen, int(t.sum()), child.exitcode


class Squares:
    def __len__(self):
        return 8

    def __getitem__(self, i):
        import torch
        return torch.tensor([i * i], device="cuda")


@feature
def loaded_on_the_gpu(torch):
    loader = torch.utils.data.DataLoader(Squares(), batch_size=2, num_workers=2, multiprocessing_context="spawn")
    return sum(int(batch.sum()) for batch in loader)


@feature
def fork_before_use(_):
    return own("""
child = os.fork()
r = int(torch.ones(10, device="cuda").sum())
if not child:
    os._exit(r)
print(r, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))""")


@feature
def vision(torch):
    import torchvision
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None).cuda().eval()
    with torch.no_grad():
        return round(float(net(torch.ones(2, 3, 64, 64, device="cuda")).std()), 2)


@feature
def language(torch):
    import transformers
    torch.manual_seed(0)
    net = transformers.BertModel(transformers.BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                                                         intermediate_size=128, vocab_size=100)).cuda().eval()
    with torch.no_grad():
        return round(float(net(torch.arange(20, device="cuda")[None]).last_hidden_state.std()), 2)


def run(torch):
    """How many have not failed, and what each gave."""
    results, passed = {}, 0
    for f in FEATURES:
        try:
            results[f.__name__] = f(torch)
            passed += 1
        except Exception as e:
            results[f.__name__] = f"{type(e).__name__}: {' '.join(str(e).split())[:100]}"
            print(f"{f.__name__}: {e}", file=sys.stderr)
    return passed, json.dumps(results, sort_keys=True)
