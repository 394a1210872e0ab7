// What is timed. Rows a second by the clock, every row acknowledged before the clock stops.
import { percentile } from '../../scripts/lib/table.mjs'
import type { Store } from './engines.ts'
import { DIMENSIONS, rowOf } from './rows.ts'

export const CALLERS = 64
export const BATCH = 1_000

export const WORKLOADS = ['single', 'callers', 'batches'] as const
export type Workload = (typeof WORKLOADS)[number]

export const TITLES: Record<Workload, string> = {
  single: 'single adds, one after the other',
  callers: `single adds, ${CALLERS} callers at once`,
  batches: `batches of ${BATCH.toLocaleString('en-US')} rows, one after the other`,
}

/** New ids from `from` on, and the vectors in turn. */
export class Source {
  next: number
  readonly #vectors: Float32Array
  readonly #rows: number

  constructor(vectors: Float32Array, from = 0) {
    this.#vectors = vectors
    this.#rows = vectors.length / DIMENSIONS
    this.next = from
  }

  vectorOf(id: number): Float32Array {
    return rowOf(this.#vectors, id % this.#rows)
  }

  async addOne(store: Store): Promise<void> {
    const id = this.next++
    await store.add(id, this.vectorOf(id))
  }

  /** Ids that follow one another, so that their rows do too. */
  async addBatch(store: Store, rows: number): Promise<void> {
    const from = this.next % this.#rows
    const some = Math.min(rows, this.#rows - from)
    const first = this.next
    this.next += some
    const ids = Uint32Array.from({ length: some }, (_, row) => first + row)
    await store.addMany(ids, this.#vectors.subarray(from * DIMENSIONS, (from + some) * DIMENSIONS))
  }
}

/** One run of a workload. */
export interface Pace {
  rowsPerSecond: number
  /** median milliseconds of one call, a row or a batch: says more than the rate where the machine is busy with other things */
  call: number
}

/** Adds for so long. */
export async function measure(store: Store, workload: Workload, source: Source, milliseconds: number): Promise<Pace> {
  const before = source.next
  const calls: number[] = []
  const started = performance.now()
  const lane = async () => {
    for (let now = performance.now(); now < started + milliseconds;) {
      await (workload === 'batches' ? source.addBatch(store, BATCH) : source.addOne(store))
      const then = performance.now()
      calls.push(then - now)
      now = then
    }
  }
  await (workload === 'callers' ? Promise.all(Array.from({ length: CALLERS }, lane)) : lane())
  const seconds = (performance.now() - started) / 1000
  return { rowsPerSecond: (source.next - before) / seconds, call: percentile(calls, 0.5) }
}
