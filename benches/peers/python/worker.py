"""One engine in a process of its own, driven over standard input and output: one JSON object a line.

worker.py ADAPTER SETTINGS SET_FOLDER SCRATCH THREADS builds and says {"built": ...}; then every line
{"effort": {...}, "threads": n, "queries": n} is answered by {"measured": ...}. What goes wrong is {"failed": reason}."""
import gc
import importlib
import importlib.metadata
import json
import os
import sys
import time
import traceback

OUT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # libraries print to standard output


def tell(message):
    OUT.write(json.dumps(message) + "\n")
    OUT.flush()


def held():
    """Bytes of memory that the process has."""
    gc.collect()
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def clocks():
    return time.perf_counter(), time.process_time()


def since(start):
    now = clocks()
    return {"seconds": now[0] - start[0], "cpuSeconds": now[1] - start[1]}


def measure(engine, queries, effort, threads):
    """All queries once: one after the other where `threads` is 1, else as one batch. None where there is no batch."""
    if threads > 1 and engine.batch is None:
        return None
    engine.prepare(effort, threads)
    for query in queries[:50]:
        engine.search(query)
    gc.collect()
    gc.disable()
    start = clocks()
    answers = engine.batch(queries) if threads > 1 else [engine.search(query) for query in queries]
    spent = since(start)
    gc.enable()
    return {**spent, "answers": [[int(row) for row in answer] for answer in answers]}


def main():
    name, settings, folder, scratch, threads = sys.argv[1:]
    settings, threads = json.loads(settings), int(threads)
    import numpy as np

    module = importlib.import_module(f"{name}_adapter")
    with open(os.path.join(folder, "set.json"), encoding="utf-8") as file:
        shape = json.load(file)
    dimensions = shape["dimensions"]
    queries = np.fromfile(os.path.join(folder, "queries.f32"), "<f4").reshape(-1, dimensions)
    engine = module.Engine(shape["metric"], dimensions, settings, scratch)
    before = held()
    base = np.fromfile(os.path.join(folder, "base.f32"), "<f4").reshape(-1, dimensions)
    start = clocks()
    engine.build(base, threads)
    spent = since(start)
    del base  # an engine that works on the rows in place keeps them
    tell({"built": {**spent, "memory": held() - before, "note": f"{module.PACKAGE} {importlib.metadata.version(module.PACKAGE)}"}})
    for line in sys.stdin:
        asked = json.loads(line)
        tell({"measured": measure(engine, queries[: asked["queries"]], asked["effort"], asked["threads"])})


try:
    main()
except Exception as error:
    traceback.print_exc()
    tell({"failed": f"{type(error).__name__}: {error}"[:300]})
sys.stdout.flush()
OUT.flush()
os._exit(0)  # some libraries crash while they are torn down
