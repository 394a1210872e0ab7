import { K } from '../sets.ts'
import type { Effort, Settings } from '../engines.ts'
import { type Adapter, packages, type Rows, scratch } from './adapter.ts'

interface UsearchIndex {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void
  search(query: Float32Array, k: number, threads: number): { keys: BigUint64Array }
  save(file: string): void
  load(file: string): void
}

export class Usearch implements Adapter {
  #index: UsearchIndex | undefined
  #shape: { dimensions: number; metric: string } | undefined
  #file = ''
  readonly #settings: Settings
  readonly #Made: new (options: object) => UsearchIndex

  constructor(settings: Settings) {
    this.#settings = settings
    this.#Made = packages.load('usearch').Index
  }

  #make(ef: number): UsearchIndex {
    const { quantization, m, efConstruction } = this.#settings
    return new this.#Made({
      ...this.#shape, quantization, connectivity: m, expansion_add: efConstruction, expansion_search: ef, multi: false,
    })
  }

  async build({ base, dimensions, metric }: Rows, threads: number): Promise<void> {
    this.#shape = { dimensions, metric: metric === 'l2' ? 'l2sq' : 'ip' } // unit rows: the inner product orders as cosine does, and is less work
    this.#index = this.#make(64)
    this.#index.add(BigUint64Array.from({ length: base.length / dimensions }, (_, row) => BigInt(row)), base, threads)
  }

  /** expansion_search can only be given to the constructor: another effort is another index from the same file. */
  async setEffort({ ef }: Effort): Promise<void> {
    if (!this.#file) {
      this.#file = scratch('usearch.index')
      this.#index?.save(this.#file)
    }
    this.#index = undefined
    globalThis.gc?.()
    this.#index = this.#make(ef as number)
    this.#index.load(this.#file)
  }

  prepare(query: Float32Array): unknown {
    return query
  }

  search(query: unknown): unknown {
    return this.#index?.search(query as Float32Array, K, 1)
  }

  rows(answer: unknown): number[] {
    return Array.from((answer as { keys: BigUint64Array }).keys, Number)
  }

  async batch(_: unknown[], block: Float32Array, threads: number): Promise<(query: number) => number[]> {
    const keys = this.#index?.search(block, K, threads).keys ?? new BigUint64Array(0)
    return (query) => Array.from(keys.subarray(query * K, (query + 1) * K), Number)
  }

  note(): string {
    return `usearch ${packages.version('usearch')}`
  }
}
