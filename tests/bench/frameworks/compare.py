#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs workloads natively and under other environments in turn, and prints the ratios.

usage: compare.py [--with NAME=SCRIPT]... [--rounds N] [--clients N] [--timeout S] [--json FILE] [WORKLOAD...]

Each `--with NAME=SCRIPT` is an environment: SCRIPT is a shell file that is sourced before the workload
(it exports LD_LIBRARY_PATH and the like). 'native' is always the first, with nothing sourced. The
environments take turns within each round, so that a machine that drifts drifts for all of them. The
last table gives, for every metric, native's median, each other's median, and how much better (+) or
worse (-) than native that is, in percent; a check that differs from native's, or a failure, is shown
in words. Exit status 1 if any workload failed or differed.

With `--clients N` each workload is run by N processes at once, on the one GPU: a rate is then the sum of theirs, a
time their mean, and `process_s` until the last of them has ended.
"""
import argparse, concurrent.futures, json, os, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))


def one(process, timeout):
    """The result of a workload's process, or what went wrong."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, f"no end in {timeout} s"
    lines = [l for l in out.splitlines() if l.startswith("{")]
    if process.returncode or not lines:
        return None, f"exit {process.returncode}: " + " ".join((err or out).split())[-200:]
    return json.loads(lines[-1]), None


def rate(metric):
    """Whether larger is better."""
    return metric.endswith("_per_s") or not metric.endswith(("_us", "_s"))


def run(workload, script, timeout, clients):
    cmd = f". {script}; " if script else ""
    cmd += f"exec python3 {HERE}/workloads.py {workload}"
    with concurrent.futures.ThreadPoolExecutor(clients) as readers:
        processes = [subprocess.Popen(["bash", "-c", cmd], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      start_new_session=True) for _ in range(clients)]
        ended = list(readers.map(lambda p: one(p, timeout), processes))
    for res, err in ended:
        if err or not same(res["check"], ended[0][0]["check"]):
            return None, err or f"check {res['check']!r} beside {ended[0][0]['check']!r}"
    first = ended[0][0]
    for m in first["metrics"]:
        values = [res["metrics"][m] for res, _ in ended]
        first["metrics"][m] = max(values) if m == "process_s" else sum(values) / (1 if rate(m) else clients)
    return first, None


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return abs(a - b) <= 1e-3 * max(abs(a), abs(b), 1e-9)
    return a == b


def better(metric, native, other):
    """Percent better than native; negative is worse."""
    if not native or not other:
        return 0.0
    return (other / native - 1) * 100 if rate(metric) else (native / other - 1) * 100


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--with", dest="envs", action="append", default=[], metavar="NAME=SCRIPT")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--clients", type=int, default=1)
    p.add_argument("--timeout", type=int, default=180)
    p.add_argument("--json", metavar="FILE")
    p.add_argument("workloads", nargs="*")
    a = p.parse_args()
    envs = [("native", None)] + [tuple(e.split("=", 1)) for e in a.envs]
    names = a.workloads or subprocess.check_output([sys.executable, HERE + "/workloads.py", "--list"], text=True).split()
    got, faults = {}, []
    for w in names:
        for r in range(a.rounds):
            for env, script in envs:
                res, err = run(w, script, a.timeout, a.clients)
                if err:
                    faults.append(f"{w} under {env}: {err}"); print("FAILED", faults[-1], flush=True)
                    continue
                got.setdefault((w, env), []).append(res)
                ref = got.get((w, "native"), [{}])[0]
                if env != "native" and ref and not same(ref["check"], res["check"]):
                    faults.append(f"{w} under {env}: check {res['check']!r}, native {ref['check']!r}")
                    print("DIFFERS", faults[-1], flush=True)
            if any(f.startswith(w + " ") for f in faults):
                break
    med = lambda w, e, m: sorted(x["metrics"][m] for x in got[(w, e)])[len(got[(w, e)]) // 2]
    print(f"\n{'workload':16}{'metric':24}" + "".join(f"{e:>14}" + ("" if e == "native" else f"{'vs native':>11}") for e, _ in envs))
    for w in names:
        if (w, "native") not in got:
            continue
        for m in got[(w, "native")][0]["metrics"]:
            row = f"{w:16}{m:24}"
            nat = med(w, "native", m)
            for e, _ in envs:
                if (w, e) not in got:
                    row += f"{'-':>14}" + ("" if e == "native" else f"{'-':>11}"); continue
                v = med(w, e, m)
                row += f"{v:14.3f}" + ("" if e == "native" else f"{better(m, nat, v):+10.1f}%")
            print(row)
    if a.json:
        json.dump({"results": [{"workload": w, "env": e, "runs": r} for (w, e), r in got.items()], "faults": faults}, open(a.json, "w"), indent=1)
    for f in faults:
        print("fault:", f)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
