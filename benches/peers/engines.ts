// One adapter an engine: build, choose an effort, one query on one thread. Each is called in the form it is fastest with.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Index, type IndexOptions } from 'bigrain'
import { dataDir } from '../../scripts/lib/run.mjs'
import { type DataSet, K } from './sets.ts'

/** The same graph for all: M links a row (2 M on the lowest level), efConstruction candidates while linking. */
const M = 16
const EF_CONSTRUCTION = 200

export interface Engine {
  build(set: DataSet, threads: number): Promise<void>
  setEf(ef: number): Promise<void>
  /** Queries in the engine's own best form, made before the clock runs. */
  prepare(queries: Float32Array[]): unknown[]
  /** One query, on the calling thread. What comes back is read only after the clock has stopped. */
  search(query: unknown): unknown
  rows(answer: unknown): number[]
  /** What the engine says about itself: versions, choices. */
  note(): string
}

/** The peers are installed outside the package: one compiles C++, and a library must not need that of its developers. */
export const peersDir = path.join(dataDir, 'peers')
const peer = (name: string) => createRequire(path.join(peersDir, 'package.json'))(name)
export const peerVersion = (name: string): string =>
  JSON.parse(fs.readFileSync(path.join(peersDir, 'node_modules', name, 'package.json'), 'utf8')).version

class Bigrain implements Engine {
  #index: Index | undefined
  #ef = 0
  readonly #options: Partial<IndexOptions>

  constructor(options: Partial<IndexOptions>) {
    this.#options = options
  }

  get #built(): Index {
    if (!this.#index) throw new Error('not built')
    return this.#index
  }

  async build(set: DataSet, threads: number): Promise<void> {
    const rows = set.base.length / set.dimensions
    this.#index = new Index({ dimensions: set.dimensions, metric: set.metric, threads, ...this.#options })
    await this.#index.add({ ids: Uint32Array.from({ length: rows }, (_, row) => row), vectors: set.base })
    await this.#index.optimize()
  }

  async setEf(ef: number): Promise<void> {
    this.#ef = ef
  }

  prepare(queries: Float32Array[]): unknown[] {
    return queries
  }

  search(query: unknown): unknown {
    return this.#built.searchSync(query as Float32Array, { k: K, ef: this.#ef })
  }

  rows(answer: unknown): number[] {
    return (answer as { id: number }[]).map((hit) => hit.id)
  }

  note(): string {
    const { chosen, simd } = this.#built.stats()
    return `chosen ${JSON.stringify(chosen)}, ${simd}`
  }
}

interface UsearchIndex {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void
  search(query: Float32Array, k: number, threads: number): { keys: BigUint64Array }
  save(file: string): void
  load(file: string): void
}

class Usearch implements Engine {
  #index: UsearchIndex | undefined
  #set: DataSet | undefined
  readonly #file = path.join(peersDir, `usearch-${process.pid}.index`)
  readonly #quantization: string

  constructor(quantization: string) {
    this.#quantization = quantization
  }

  #make(ef: number): UsearchIndex {
    if (!this.#set) throw new Error('not built')
    const metric = this.#set.metric === 'l2' ? 'l2sq' : 'ip' // unit rows: the inner product orders as cosine does, and is less work
    const { Index: Made } = peer('usearch')
    return new Made({
      dimensions: this.#set.dimensions, metric, quantization: this.#quantization,
      connectivity: M, expansion_add: EF_CONSTRUCTION, expansion_search: ef, multi: false,
    })
  }

  async build(set: DataSet, threads: number): Promise<void> {
    this.#set = set
    this.#index = this.#make(64)
    const rows = set.base.length / set.dimensions
    this.#index.add(BigUint64Array.from({ length: rows }, (_, row) => BigInt(row)), set.base, threads)
  }

  /** expansion_search can only be given to the constructor: another effort is another index from the same file. */
  async setEf(ef: number): Promise<void> {
    if (!fs.existsSync(this.#file)) {
      this.#index?.save(this.#file)
      process.once('exit', () => fs.rmSync(this.#file, { force: true }))
    }
    this.#index = undefined
    globalThis.gc?.()
    this.#index = this.#make(ef)
    this.#index.load(this.#file)
  }

  prepare(queries: Float32Array[]): unknown[] {
    return queries
  }

  search(query: unknown): unknown {
    return this.#index?.search(query as Float32Array, K, 1)
  }

  rows(answer: unknown): number[] {
    return Array.from((answer as { keys: BigUint64Array }).keys, Number)
  }

  note(): string {
    return `usearch ${peerVersion('usearch')}`
  }
}

interface HnswlibIndex {
  initIndex(rows: number, m: number, efConstruction: number, seed: number): void
  addPoint(point: number[], label: number): void
  setEf(ef: number): void
  searchKnn(query: number[], k: number): { neighbors: number[] }
}

class Hnswlib implements Engine {
  #index: HnswlibIndex | undefined

  async build(set: DataSet): Promise<void> {
    const { HierarchicalNSW } = peer('hnswlib-node')
    const rows = set.base.length / set.dimensions
    const index: HnswlibIndex = new HierarchicalNSW(set.metric === 'l2' ? 'l2' : 'ip', set.dimensions)
    index.initIndex(rows, M, EF_CONSTRUCTION, 100)
    // one thread, one array of numbers at a time: that is all of its interface
    for (let row = 0; row < rows; row++) index.addPoint(Array.from(set.base.subarray(row * set.dimensions, (row + 1) * set.dimensions)), row)
    this.#index = index
  }

  async setEf(ef: number): Promise<void> {
    this.#index?.setEf(ef)
  }

  prepare(queries: Float32Array[]): unknown[] {
    return queries.map((query) => Array.from(query))
  }

  search(query: unknown): unknown {
    return this.#index?.searchKnn(query as number[], K)
  }

  rows(answer: unknown): number[] {
    return (answer as { neighbors: number[] }).neighbors
  }

  note(): string {
    return `hnswlib-node ${peerVersion('hnswlib-node')}, builds on one thread`
  }
}

const hnsw = { coarse: 'hnsw', hnsw: { m: M, efConstruction: EF_CONSTRUCTION } } as const

/** By the name that tables and plots show. */
export const ENGINES: Record<string, () => Engine> = {
  'bigrain hnsw': () => new Bigrain({ ...hnsw, codes: 'none' }),
  'bigrain hnsw sq8': () => new Bigrain({ ...hnsw, codes: 'sq8', vectors: 'memory' }),
  'bigrain auto': () => new Bigrain({}),
  'usearch f32': () => new Usearch('f32'),
  'usearch f16': () => new Usearch('f16'),
  'hnswlib-node': () => new Hnswlib(),
}
