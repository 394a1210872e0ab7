import os

import numpy as np
import svs
from adapter import K, Adapter

PACKAGE = "scalable-vs"


class Engine(Adapter):
    """Vamana over rows as they are, or over LVQ codes (4 bits to walk by, 8 of the residual to order by; Intel processors only)."""

    def rows(self, base):
        if self.settings["codes"] == "f16":
            return base.astype(np.float16)
        file = os.path.join(self.scratch, "rows.fvecs")
        svs.write_vecs(base, file)
        loader = svs.VectorDataLoader(file, svs.DataType.float32, dims=self.dimensions)
        return svs.LVQLoader(loader, primary=4, residual=8, strategy=svs.LVQStrategy.Turbo)

    def build(self, base, threads):
        metric = svs.DistanceType.L2 if self.metric == "l2" else svs.DistanceType.MIP
        degree = self.settings["degree"]
        parameters = svs.VamanaBuildParameters(
            alpha=1.2 if self.metric == "l2" else 0.95, graph_max_degree=degree, window_size=self.settings["window"],
            prune_to=degree - 4, max_candidate_pool_size=500, use_full_search_history=True,
        )
        self.index = svs.Vamana.build(parameters, self.rows(base), metric, num_threads=threads)

    def prepare(self, effort, threads):
        self.index.num_threads = threads
        parameters = self.index.search_parameters
        parameters.buffer_config = svs.SearchBufferConfig(effort["ef"], effort["ef"])
        self.index.search_parameters = parameters

    def search(self, query):
        return self.index.search(query[None], K)[0][0]

    def batch(self, queries):
        return self.index.search(queries, K)[0]
