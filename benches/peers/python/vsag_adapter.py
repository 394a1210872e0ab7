import json

import numpy as np
import pyvsag
from adapter import K, Adapter

PACKAGE = "pyvsag"
pyvsag.set_logger_off()


class Engine(Adapter):
    """HGraph: a graph walked over 8-bit codes, ordered once more by the rows."""

    def build(self, base, threads):
        index = {
            "base_quantization_type": self.settings["codes"],
            "max_degree": self.settings["degree"],
            "ef_construction": self.settings["efConstruction"],
            "build_thread_count": threads,
            "use_reorder": True,
            "precise_quantization_type": "fp32",
        }
        metric = "l2" if self.metric == "l2" else "ip"
        shape = {"dtype": "float32", "metric_type": metric, "dim": self.dimensions, "index_param": index}
        self.index = pyvsag.Index("hgraph", json.dumps(shape))
        self.index.build(vectors=base.reshape(-1), ids=np.arange(len(base), dtype=np.int64), num_elements=len(base), dim=self.dimensions)

    def prepare(self, effort, threads):
        self.parameters = json.dumps({"hgraph": {"ef_search": effort["ef"]}})

    def search(self, query):
        return self.index.knn_search(vector=query, k=K, parameters=self.parameters)[0]
