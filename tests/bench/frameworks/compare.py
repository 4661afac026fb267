#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs workloads natively and under other environments in turn, and prints the ratios.

usage: compare.py [--with NAME=SCRIPT]... [--no-native] [--rounds N] [--clients N] [--preload] [--timeout S]
                  [--json FILE] [WORKLOAD...]

Each `--with NAME=SCRIPT` is an environment: SCRIPT is a shell file that is sourced before the workload
(it exports LD_LIBRARY_PATH and the like). 'native' is the first, with nothing sourced; with `--no-native`,
for machines without a driver, the first of the others takes its place. The environments take turns within
each round, so that a machine that drifts drifts for all of them. When a workload has ended, its rows of the
table give, for every metric, native's median, each other's median, and how much better (+) or worse (-) than
native that is, in percent; a check that differs from native's, or a failure, is shown in words. Exit status
1 if any workload failed or differed. `--json FILE` appends an object to the file, on a line, for each run as
it ends.

With `--clients N` each workload is run by N processes at once, on the one GPU, which begin together what they measure,
and measure until the last has ended: a rate is then the sum of theirs, a time their mean, and `process_s` until the
last of them has ended.

With `--preload` a process in each environment imports PyTorch once and forks for each run, which takes seconds less;
there is no `process_s` then. Workloads that measure processes, or start some, run in new ones all the same.
"""
import argparse, atexit, concurrent.futures, json, os, signal, socket, subprocess, sys, tempfile, threading

HERE = os.path.dirname(os.path.abspath(__file__))


ALONE = {"driver", "start", "libraries", "features", "ddp_two"}  # not by processes that have PyTorch imported


class Meeting:
    """Where n clients wait for one another, as often as they like: each connects, and is let go when all have."""

    def __init__(self, n):
        self.n, self.lock, self.waiting, self.over = n, threading.Lock(), [], False
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "meeting")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with self.lock:
                self.waiting.append(client)
                if self.over or len(self.waiting) == self.n:
                    self.let_go()

    def let_go(self):
        for client in self.waiting:
            client.close()
        self.waiting = []

    def set_over(self, over):
        """Once it is over, nobody waits: one who has failed does not come any more."""
        with self.lock:
            self.over = over
            self.let_go()


class Program:
    """A process of workloads.py in an environment, of a process group of its own."""

    def __init__(self, script, argument, meeting=None):
        self.err = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            ["bash", "-c", (f". {script}; " if script else "") + f"exec python3 {HERE}/workloads.py {argument}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.err, text=True, start_new_session=True,
            env=dict(os.environ, MEETING=meeting.path) if meeting else None)

    def result(self, timeout):
        """The result of the workload under way, or what went wrong, with which the process has ended."""
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), self.kill()))
        timer.start()
        result, status = None, None
        for line in self.process.stdout:
            said = json.loads(line) if line.startswith("{") else {}
            result = said if "check" in said else result
            status = said.get("exit")
            if status is not None:
                break
        if status is None:
            status = self.process.wait()
        timer.cancel()
        if late.is_set():
            return None, f"no end in {timeout} s"
        if status or not result:
            self.err.seek(0)
            return None, f"exit {status}: " + " ".join(self.err.read().split())[-200:]
        return result, None

    def ask(self, workload):
        """Has a process that serves begin with a workload."""
        self.process.stdin.write(workload + "\n")
        self.process.stdin.flush()

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def rate(metric):
    """Whether larger is better."""
    return metric.endswith("_per_s") or not metric.endswith(("_us", "_s"))


def run(workload, script, timeout, clients, servers, meeting):
    """Runs a workload by new processes, or by servers where there are some."""
    def result(program):
        res, err = program.result(timeout)
        if err and meeting:
            meeting.set_over(True)
        return res, err

    if meeting:
        meeting.set_over(False)
    programs = servers or [Program(script, workload, meeting) for _ in range(clients)]
    for p in servers:
        p.ask(workload)
    with concurrent.futures.ThreadPoolExecutor(clients) as readers:
        try:
            ended = list(readers.map(result, programs))
        except BaseException:  # told to end: signals do not reach their sessions
            for p in programs:
                p.kill()
            raise
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


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def rows(workload, got):
    """A workload's rows of the table, from its runs in each environment, of which the first is what others are
    compared with."""
    reference = next(iter(got))
    for m in got[reference][0]["metrics"] if got[reference] else []:
        base = median(x["metrics"][m] for x in got[reference])
        row = f"{workload:16}{m:24}{base:14.3f}"
        for env in list(got)[1:]:
            if not got[env]:
                row += f"{'-':>14}{'-':>11}"
                continue
            v = median(x["metrics"][m] for x in got[env])
            row += f"{v:14.3f}{better(m, base, v):+10.1f}%"
        yield row


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--with", dest="envs", action="append", default=[], metavar="NAME=SCRIPT")
    p.add_argument("--no-native", action="store_true")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--clients", type=int, default=1)
    p.add_argument("--preload", action="store_true")
    p.add_argument("--timeout", type=int, default=180)
    p.add_argument("--json", metavar="FILE")
    p.add_argument("workloads", nargs="*")
    a = p.parse_args()
    envs = ([] if a.no_native else [("native", None)]) + [tuple(e.split("=", 1)) for e in a.envs]
    if not envs:
        p.error("--no-native without an environment: give one by --with")
    reference = envs[0][0]
    names = a.workloads or subprocess.check_output([sys.executable, HERE + "/workloads.py", "--list"], text=True).split()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    faults = []

    def fault(kind, what):
        faults.append(what)
        print(kind, what, flush=True)

    meeting = Meeting(a.clients) if a.clients > 1 else None
    serving = {env: [] for env, _ in envs}
    atexit.register(lambda: [p.kill() for p in sum(serving.values(), [])])

    def servers(env, script, workload):
        """The processes that a workload is to be run by, none if by new ones."""
        if not a.preload or workload in ALONE:
            return []
        live = [p for p in serving[env] if p.process.poll() is None]
        serving[env] = live + [Program(script, "--serve", meeting) for _ in range(a.clients - len(live))]
        return serving[env]

    def record(**what):
        if a.json:
            with open(a.json, "a") as f:
                print(json.dumps(what), file=f)

    print(f"{'workload':16}{'metric':24}{reference:>14}" + "".join(f"{e:>14}{'vs ' + reference:>11}" for e, _ in envs[1:]), flush=True)
    for w in names:
        got, before = {env: [] for env, _ in envs}, len(faults)
        for r in range(a.rounds):
            for env, script in envs:
                res, err = run(w, script, a.timeout, a.clients, servers(env, script, w), meeting)
                about = {"workload": w, "env": env, "clients": a.clients, "round": r}
                if err:
                    fault("FAILED", f"{w} under {env}: {err}")
                    record(**about, fault=err)
                    continue
                got[env].append(res)
                record(**about, metrics=res["metrics"], check=res["check"])
                first = got[reference][:1]
                if first and not same(first[0]["check"], res["check"]):
                    fault("DIFFERS", f"{w} under {env}: check {res['check']!r}, {reference} {first[0]['check']!r}")
            if len(faults) > before:
                break
        for row in rows(w, got):
            print(row, flush=True)
    for f in faults:
        print("fault:", f)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
