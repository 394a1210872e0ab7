import { K } from '../sets.ts'
import type { Effort, Settings } from '../engines.ts'
import { type Adapter, packages, type Rows } from './adapter.ts'

interface HnswlibIndex {
  initIndex(rows: number, m: number, efConstruction: number, seed: number): void
  addPoint(point: number[], label: number): void
  setEf(ef: number): void
  searchKnn(query: number[], k: number): { neighbors: number[] }
}

/** One thread, one array of numbers at a time: that is all of its interface. */
export class Hnswlib implements Adapter {
  #index: HnswlibIndex | undefined
  readonly #settings: Settings
  readonly #Made: new (space: string, dimensions: number) => HnswlibIndex

  constructor(settings: Settings) {
    this.#settings = settings
    this.#Made = packages.load('hnswlib-node').HierarchicalNSW
  }

  async build({ base, dimensions, metric }: Rows): Promise<void> {
    const rows = base.length / dimensions
    this.#index = new this.#Made(metric === 'l2' ? 'l2' : 'ip', dimensions)
    this.#index.initIndex(rows, this.#settings.m as number, this.#settings.efConstruction as number, 100)
    for (let row = 0; row < rows; row++) this.#index.addPoint(Array.from(base.subarray(row * dimensions, (row + 1) * dimensions)), row)
  }

  async setEffort({ ef }: Effort): Promise<void> {
    this.#index?.setEf(ef as number)
  }

  prepare(query: Float32Array): unknown {
    return Array.from(query)
  }

  search(query: unknown): unknown {
    return this.#index?.searchKnn(query as number[], K)
  }

  rows(answer: unknown): number[] {
    return (answer as { neighbors: number[] }).neighbors
  }

  note(): string {
    return `hnswlib-node ${packages.version('hnswlib-node')}, builds on one thread`
  }
}
