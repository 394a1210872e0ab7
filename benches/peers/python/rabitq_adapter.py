import rabitqlib
from adapter import K, Adapter, power_of_two

PACKAGE = "rabitqlib"


class Engine(Adapter):
    """The RaBitQ library: `kind` symqg (SymphonyQG, a graph with codes in its links), hnsw or ivf over RaBitQ codes."""

    def build(self, base, threads):
        metric, kind, settings = "l2" if self.metric == "l2" else "ip", self.settings["kind"], self.settings
        rows, dimensions = base.shape
        if kind == "symqg":
            self.index = rabitqlib.SymqgIndex(dimensions, settings["degree"], metric=metric)
            self.index.build(base, settings["efConstruction"], num_threads=threads)
            return
        lists = power_of_two(2 * rows**0.5) if kind == "ivf" else settings["clusters"]
        means = rabitqlib.RaBitQKMeans(dimensions, lists, num_threads=threads)
        means.train(base)
        if kind == "ivf":
            self.index = rabitqlib.IvfIndex(dimensions, rows, lists, settings["bits"], metric=metric)
        else:
            graph = {"M": settings["m"], "ef_construction": settings["efConstruction"]}
            self.index = rabitqlib.HnswIndex(dimensions, rows, **graph, nbits=settings["bits"], metric=metric)
        self.index.build(base, means.centroids, means.assignments, num_threads=threads)

    def prepare(self, effort, threads):
        self.effort, self.threads = {"nprobe" if name == "probes" else name: value for name, value in effort.items()}, threads

    def search(self, query):
        return self.index.search(query[None], K, **self.effort, num_threads=1)[0][0]

    def batch(self, queries):
        return self.index.search(queries, K, **self.effort, num_threads=self.threads)[0]
