import faiss
from adapter import K, Adapter, power_of_two

PACKAGE = "faiss-cpu"


class Engine(Adapter):
    """`factory` as faiss writes it; {lists}: about 2 sqrt(rows); {half}: half the dimensions."""

    def build(self, base, threads):
        faiss.omp_set_num_threads(threads)
        lists = power_of_two(2 * len(base) ** 0.5)
        factory = self.settings["factory"].format(lists=lists, half=self.dimensions // 2)
        # rows of unit length are in the same order by either distance, and the fast scan is at its best with this one
        self.index = faiss.index_factory(self.dimensions, factory, faiss.METRIC_L2)
        self.parameters = faiss.ParameterSpace()
        if "efConstruction" in self.settings:
            self.parameters.set_index_parameter(self.index, "efConstruction", self.settings["efConstruction"])
        self.index.train(base)
        self.index.add(base)

    def prepare(self, effort, threads):
        faiss.omp_set_num_threads(threads)
        for name, value in effort.items():
            if name == "refine":
                self.index.k_factor = value
            else:
                self.parameters.set_index_parameter(self.index, {"ef": "efSearch", "probes": "nprobe"}[name], value)

    def search(self, query):
        return self.index.search(query[None], K)[1][0]

    def batch(self, queries):
        return self.index.search(queries, K)[1]
