// The shapes of the public API. Units: times in milliseconds, sizes in bytes, vectors as rows of `dimensions` numbers.

/** A number is an integer of 0 to 2^53-1. Both kinds may live in one index; `1` and `'1'` differ. */
export type Id = string | number
export type Vector = Float32Array | Float64Array | readonly number[]
/** Smaller distances are nearer: `1 - cos`, `1 - dot`, squared L2. */
export type Metric = 'cosine' | 'dot' | 'l2'
export type Json = string | number | boolean | null | Json[] | { [field: string]: Json }
export type Metadata = { [field: string]: Json }

/** What stays in memory of each vector, to find candidates. */
export type Codes =
  | 'auto'
  /** The coarse side walks the full-precision vectors. */
  | 'none'
  /** A byte a dimension. */
  | 'sq8'
  /** Half a byte a dimension, in 16 steps of one width. */
  | 'sq4'
  /** A bit a dimension. */
  | 'binary'
  /**
   * Rows turned so that what matters lies in few values (97 % of the variance), `bits` bits of each, 1 to 8; default 8.
   * With 8 under `coarse: 'hnsw'` every row's node in memory has single bits of its neighbours' differences too, which a search
   * scans 32 at a time: about `4 * kept + 384` bytes a row at `hnsw.m` 16. Fastest for images and text embeddings. With fewer the graph
   * is walked by the codes alone, `kept * bits / 8 + 8` bytes a row: little memory for rows of many values. With 1 or 2, rows of few
   * values need a larger `ef` or `rerank`.
   */
  | { type: 'rabitq'; bits?: number }
  /** `bytes` bytes a vector; `rotate` fits a rotation first (OPQ; default true). */
  | { type: 'pq'; bytes: number; rotate?: boolean }

export interface IndexOptions {
  /** An integer of 1 to 4,096. */
  dimensions: number
  /** Default `'cosine'`. */
  metric?: Metric
  /**
   * How candidates are found. `'ivf'`: lists of rows around centroids, of which a search looks into the nearest; built several
   * times as fast as a graph. Default `'auto'`: an exact scan of a small index; a larger one gets a graph. Where it is in memory
   * and `codes` is left open, too, it gets lists if it has fewer than 160 dimensions and its rows, measured when there are
   * enough of them, lie as if they had more than 21 of their own; with metric `'dot'` in any case.
   */
  coarse?: 'auto' | 'flat' | 'hnsw' | 'ivf'
  /**
   * What is kept in memory to find candidates. Default `'auto'`: with ivf 4-bit codes in the lists, half a byte for two dimensions;
   * rabitq where it chooses a graph; else pq where the vectors are on disk, and none where they are in memory.
   */
  codes?: Codes
  /** Where the full vectors live. `'disk'` needs a path; `open` takes it where codes are kept. */
  vectors?: 'memory' | 'disk'
  /** How the full vectors are stored. Default `'f32'`. */
  precision?: 'f32' | 'f16' | 'i8'
  /** Links a row (default 16) and candidates held while linking (default 200). */
  hnsw?: { m?: number; efConstruction?: number }
  /**
   * How many lists there are, 1 to 1,048,576. Default: twice the square root of the rows that are there when they are
   * trained, which is once they are 2,048; where the number is given, once they are 256 and four a list. `optimize()` trains
   * lists again when there are four times as many rows.
   */
  ivf?: { lists?: number }
  /** Default `'sync'`: a resolved write survives power loss. */
  durability?: 'sync' | 'os'
  /** Default: all cores. */
  threads?: number
  /** The same seed and input give the same index. */
  seed?: number
  /**
   * Bytes of log after which a checkpoint is made in the background, at least 4,096. Default 64 MiB. What the log holds is
   * applied again by the next `open` after a crash. Of an index in memory it means nothing. May differ each time it is opened.
   */
  logBytes?: number
  /** Bytes the index may hold in memory. */
  memory?: number
  /** How vectors on disk are read. */
  io?: 'auto' | 'io_uring' | 'pread'
}

export type OpenOptions = Partial<IndexOptions> & {
  /** Serves the index as it was last saved, beside a writer, and refuses writes. */
  readOnly?: boolean
}

/** Weights by term number. */
export type SparseVector = { [term: number]: number } | { indices: Uint32Array; values: Float32Array }

/** One vector for both sides, or one for finding candidates and one for verifying them. */
export interface Query {
  vector?: Vector
  /** Finds the candidates, in place of `vector`. */
  candidates?: Vector
  /** Gives the distances, in place of `vector`. */
  verify?: Vector
  sparse?: SparseVector
  text?: string
}

export interface Item {
  id: Id
  vector: Vector
  metadata?: Metadata
  sparse?: SparseVector
  text?: string
}

/** Many items as columns: row `i` is `ids[i]`, values `i * dimensions` and on of `vectors`, `metadata[i]`. */
export interface Columns {
  ids: readonly Id[] | Uint32Array | BigUint64Array
  vectors: Float32Array
  metadata?: readonly (Metadata | undefined)[]
}

/** How far a call has come. `total` is `Infinity` where nobody knows it. */
export interface Progress {
  done: number
  total: number
  stage: string
}

interface Controlled {
  /** Stops the call: it rejects with an `AbortError` whose `cause` is the signal's reason. */
  signal?: AbortSignal
  /** Told now and then how far the call is. If it throws, the call is stopped and rejects with that as its `cause`. */
  onProgress?: (progress: Progress) => void
}

export interface WriteOptions extends Controlled {}
export interface OptimizeOptions extends Controlled {}
export interface ImportOptions extends Controlled {}

export interface TrainOptions extends Controlled {
  /** Rows to learn from, drawn at random; at least what the codes need (pq: 4,096). Default: what they make use of. */
  sample?: number
}

export interface TrainReport {
  /** What was trained, e.g. `'pq'`. */
  codes: string
  /** Rows encoded. */
  rows: number
  /** Rows learned from. */
  sample: number
  /** Bytes of code a row. */
  bytesPerRow: number
  ms: number
  /** Mean squared error of a decoded row over the rows' variance: of the codes before (where there were some), and now. */
  errorBefore?: number
  error: number
}

export interface VerifyReport {
  /** Whether nothing is wrong. */
  ok: boolean
  /** What is wrong, each with its file and place. */
  problems: string[]
  /** Files of the kept checkpoints that were read, bytes of them and of the logs, live rows. */
  files: number
  bytes: number
  rows: number
  ms: number
}

export type Include = 'metadata' | 'vector'

export interface GetOptions {
  /** Default: everything. */
  include?: Include[]
}

export interface SearchOptions {
  /** Default 10. Above `size` it gives `size` hits. */
  k?: number
  /**
   * In place of an effort: the share of the k nearest to find, above 0 and below 1. The effort follows from what the index has
   * measured on its own rows, in `optimize()` and `train()` or in the background once a search asks; until that is known, and
   * where no effort finds so much, all rows are compared. See `stats().measured`.
   */
  recall?: number
  /** The effort by hand: candidates that the walk of the graph holds. Over `rabitq` codes it may end before it has looked at all of them. */
  ef?: number
  /** The same of ivf: lists looked into, the nearest first. Default: one in 16, and at least 8. It means nothing elsewhere. */
  probes?: number
  /** Full vectors read, at most, of those that codes found; at least `k`. */
  rerank?: number
  filter?: Filter
  fusion?: number
  feedback?: { method: 'average' | 'rocchio'; k?: number; alpha?: number; beta?: number }
  adapter?: boolean | string
  /** What a hit carries beside id and distance. Default none. */
  include?: Include[]
  /** `searchBatch`: threads at most. Default: all of the index's. */
  threads?: number
  signal?: AbortSignal
}

export interface Hit {
  id: Id
  distance: number
  metadata?: Metadata
  vector?: Float32Array
}

/** The hits of many queries: copies, valid after `close`. A query's row may be shorter than `k`. */
export interface Matches {
  /** Number of queries. */
  readonly count: number
  ids(query: number): Id[]
  distances(query: number): Float32Array
  hits(query: number): Hit[]
}

export interface Stats {
  /** Live rows. */
  size: number
  /** Tombstones not yet reclaimed. */
  deleted: number
  /** Rows that are found by scan until their links or lists are made. */
  unlinked: number
  /** What `'auto'` became. `lists`: how many ivf has; `imbalance`: rows of the longest, by the mean. */
  chosen: { coarse: string; codes: Codes; lists?: number; imbalance?: number }
  /** Bytes. `graph`: links or lists; `total`: everything that the index holds, buffers too. */
  memory: { codes: number; graph: number; vectors: number; ids: number; metadata: number; total: number }
  /** Bytes of the two kept checkpoints, which share most of their files, and of the `log` back to the older one. */
  disk: { vectors: number; log: number; checkpoint: number; total: number }
  /**
   * Bytes written since the index was opened: `accepted` by acknowledged writes as they were logged, `files` to all files
   * (log, checkpoints, rebuilds), so `files / accepted` is the write amplification; `behind`: logged since
   * the last checkpoint began, which is what an opening would replay once that is published.
   */
  writes: { accepted: number; files: number; behind: number }
  /** How long opening took in milliseconds, and how many writes it took from the log. */
  open: { ms: number; replayed: number }
  /**
   * What searches of growing effort found when the index last measured itself: the mean share of the `k` nearest rows, less its
   * standard error (twice that for lists). `effort` is `ef` of a graph, `rerank` where codes are scanned, and `probes` of lists, with the `rerank`
   * that goes with it. Empty before, and where searches are exact.
   */
  measured: { k: number; effort: number; rerank?: number; recall: number }[]
  /** Full vectors verified and bytes read from disk since the index was opened. */
  reads: { vectors: number; bytes: number }
  /** The instruction set that this process chose. */
  simd: string
  /** How this process reads vectors on disk. */
  io: string
}

/** A condition on metadata, in the form that the vector stores of this ecosystem share. */
export type Filter =
  | { [field: string]: Json | Condition }
  | { $and: Filter[] }
  | { $or: Filter[] }
  | { $not: Filter }

interface Condition {
  $eq?: Json
  $ne?: Json
  $gt?: Json
  $gte?: Json
  $lt?: Json
  $lte?: Json
  $in?: Json[]
  $nin?: Json[]
  $exists?: boolean
}
