// Who takes part: one row an index, with how it is built and the efforts that it is asked for.

/** What one search is told, by the names that the adapter knows. */
export type Effort = Record<string, number>

/** How an index is built, by the names that the adapter knows. */
export type Settings = Record<string, unknown>

export interface Engine {
  world: 'node' | 'python'
  /** The module that drives it: node/ADAPTER.ts or python/ADAPTER_adapter.py. */
  adapter: string
  settings: Settings
  /** Efforts in ascending order, several times over where they have two dimensions: the most thorough ladder first. */
  ladders: Effort[][]
  /** Bytes of a value of the rows that the index keeps to order by: 4 as they came, 2 rounded; 0 where it has codes alone, or the rows on disk. */
  keeps: 0 | 2 | 4
}

const EFS = [10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 192, 224, 272, 320, 384, 448, 640, 900, 1280, 1800, 2560]
const PROBES = [1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 180, 256, 360, 512]
const RECALLS = [0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995]

const ladder = (name: string, values: readonly number[]): Effort[] => values.map((value) => ({ [name]: value }))
const ef = [ladder('ef', EFS)]
/** Every value of the first beside every value of the second. */
const grid = (first: string, values: readonly number[], second: string, others: readonly number[]): Effort[][] =>
  others.toReversed().map((other) => values.map((value) => ({ [first]: value, [second]: other })))

const ours = (settings: Settings, ladders: Effort[][]): Engine => ({ world: 'node', adapter: 'bigrain', settings, ladders, keeps: 4 })
const python = (adapter: string, settings: Settings, ladders: Effort[][], keeps: 0 | 2 | 4 = 4): Engine =>
  ({ world: 'python', adapter, settings, ladders, keeps })
const node = (adapter: string, settings: Settings, ladders: Effort[][], keeps: 0 | 2 | 4 = 4): Engine =>
  ({ world: 'node', adapter, settings, ladders, keeps })

const graph = { m: 16, efConstruction: 200 }
const wide = { m: 32, efConstruction: 200 }
const scannEfforts = grid('leaves', PROBES, 'reorder', [25, 40, 60, 90, 130, 200, 300])

/** By the name that tables and plots show. */
export const ENGINES: Record<string, Engine> = {
  'bigrain hnsw': ours({ coarse: 'hnsw', codes: 'none', hnsw: graph }, ef),
  'bigrain hnsw sq8': ours({ coarse: 'hnsw', codes: 'sq8', vectors: 'memory', hnsw: graph }, ef),
  'bigrain hnsw sq4': ours({ coarse: 'hnsw', codes: 'sq4', vectors: 'memory', hnsw: graph }, ef),
  'bigrain hnsw rabitq': ours({ coarse: 'hnsw', codes: { type: 'rabitq' }, vectors: 'memory', hnsw: graph }, ef),
  'bigrain ivf': ours({ coarse: 'ivf' }, grid('probes', PROBES, 'rerank', [20, 30, 45, 60, 90, 130, 200, 300])),
  'bigrain auto': ours({}, [ladder('recall', RECALLS)]),
  'usearch f32': node('usearch', { quantization: 'f32', ...graph }, ef),
  'usearch f16': node('usearch', { quantization: 'f16', ...graph }, ef, 2),
  'hnswlib-node': node('hnswlib', graph, ef),
  'zvec': node('zvec', { quantize: 'UNDEFINED', ...graph }, ef),
  'zvec int8': node('zvec', { quantize: 'INT8', ...graph }, ef),
  'lancedb ivf pq': node('lancedb', { width: 4 }, grid('probes', PROBES, 'refine', [4, 8, 16]), 0),
  'hnswlib': python('hnswlib', graph, ef),
  'hnswlib m32': python('hnswlib', wide, ef),
  'faiss hnsw': python('faiss', { factory: 'HNSW32,Flat', efConstruction: 200 }, ef),
  'faiss ivf pqfs': python('faiss', { factory: 'IVF{lists},PQ{half}x4fs,RFlat' }, grid('probes', PROBES, 'refine', [3, 5, 8, 12, 20, 30])),
  'scann': python('scann', { leaves: 1 }, scannEfforts),
  'scann 2x leaves': python('scann', { leaves: 2 }, scannEfforts),
  'scann soar': python('scann', { leaves: 2, soar: true }, scannEfforts),
  'lorann': python('lorann', { bits: 8, rank: 32 }, grid('clusters', PROBES, 'rerank', [40, 80, 160, 320, 640, 1280, 2560])),
  'symphonyqg': python('rabitq', { kind: 'symqg', degree: 32, efConstruction: 200 }, ef),
  'symphonyqg 64': python('rabitq', { kind: 'symqg', degree: 64, efConstruction: 200 }, ef),
  'rabitq ivf': python('rabitq', { kind: 'ivf', bits: 7 }, [ladder('probes', PROBES)], 0),
  'rabitq hnsw': python('rabitq', { kind: 'hnsw', bits: 5, clusters: 16, ...graph }, ef, 0),
  'glass': python('glass', { codes: 'SQ8U', ...graph }, ef, 2),
  'glass m32': python('glass', { codes: 'SQ8U', ...wide }, ef, 2),
  'vsag hgraph': python('vsag', { codes: 'sq8_uniform', degree: 32, efConstruction: 200 }, ef),
  'ngt anng': python('ngt', { edges: 40 }, [ladder('epsilon', [-0.3, -0.2, -0.1, -0.05, 0, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3])]),
  'svs vamana f16': python('svs', { codes: 'f16', degree: 64, window: 200 }, ef, 2),
  'svs vamana lvq': python('svs', { codes: 'lvq', degree: 64, window: 200 }, ef, 0),
}

export const isOurs = (name: string): boolean => name.startsWith('bigrain')
