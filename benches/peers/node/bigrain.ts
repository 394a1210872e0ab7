import { Index, type IndexOptions } from 'bigrain'
import { K } from '../sets.ts'
import type { Effort, Settings } from '../engines.ts'
import type { Adapter, Rows } from './adapter.ts'

export class Bigrain implements Adapter {
  #index: Index | undefined
  #options: { k: number } & Effort = { k: K }
  readonly #settings: Partial<IndexOptions>

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get #built(): Index {
    if (!this.#index) throw new Error('not built')
    return this.#index
  }

  async build({ base, dimensions, metric }: Rows, threads: number): Promise<void> {
    this.#index = new Index({ dimensions, metric, threads, ...this.#settings })
    await this.#index.add({ ids: Uint32Array.from({ length: base.length / dimensions }, (_, row) => row), vectors: base })
    await this.#index.optimize()
  }

  async setEffort(effort: Effort): Promise<void> {
    this.#options = { k: K, ...effort }
  }

  prepare(query: Float32Array): unknown {
    return query
  }

  search(query: unknown): unknown {
    return this.#built.searchSync(query as Float32Array, this.#options)
  }

  rows(answer: unknown): number[] {
    return (answer as { id: number }[]).map((hit) => hit.id)
  }

  async batch(_: unknown[], block: Float32Array, threads: number): Promise<(query: number) => number[]> {
    const matches = await this.#built.searchBatch(block, { ...this.#options, threads })
    return (query) => matches.ids(query) as number[]
  }

  note(): string {
    const { chosen, simd, memory } = this.#built.stats()
    return `chosen ${JSON.stringify(chosen)}, ${simd}, says ${(memory.total / 1e6).toFixed(0)} MB`
  }
}
