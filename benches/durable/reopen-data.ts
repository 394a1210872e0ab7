// What the reopened index has to hold: a checkpoint's rows, and then writes that only its log knows.
import { randomIntegers } from '../../scripts/lib/data.mjs'
import { DIMENSIONS, loadRows, rowOf } from './rows.ts'

/** Every so many batches of the log replace rows of the checkpoint instead of adding new ones, and every so many are followed by a deletion. */
const REPLACING = 10
const DELETING = 7
const DELETED_AT_ONCE = 5
export const BATCH = 1_000

export interface Query {
  what: string
  vector: Float32Array
}

/** The rows of the checkpoint are 0 ... `rows` - 1; batch n of the log is a function of n. */
export class Story {
  readonly rows: number
  readonly source: string
  readonly vectors: Float32Array

  constructor(rows: number) {
    this.rows = rows
    const loaded = loadRows(rows)
    this.vectors = loaded.vectors
    this.source = loaded.source
  }

  /** Between two words: as near to others as words are, and a row that the checkpoint has not. */
  #between(next: () => number): Float32Array {
    const [a, b] = [rowOf(this.vectors, next() % this.rows), rowOf(this.vectors, next() % this.rows)]
    return a.map((value, at) => (value + (b[at] as number)) / 2)
  }

  batch(n: number): { ids: Uint32Array; vectors: Float32Array; deleted: number[] } {
    const next: () => number = randomIntegers(n + 1)
    const vectors = new Float32Array(BATCH * DIMENSIONS)
    for (let row = 0; row < BATCH; row++) vectors.set(this.#between(next), row * DIMENSIONS)
    const replaces = n % REPLACING === REPLACING - 1
    const ids = Uint32Array.from({ length: BATCH }, (_, row) => (replaces ? next() % this.rows : this.rows + n * BATCH + row))
    const deleted = n % DELETING === DELETING - 1 ? Array.from({ length: DELETED_AT_ONCE }, () => next() % this.rows) : []
    return { ids, vectors, deleted }
  }

  /** What is there after so many batches: the vector of each id, and which ids only the log knows. */
  after(batches: number): { live: Map<number, Float32Array>; logged: Set<number>; deleted: Set<number> } {
    const live = new Map<number, Float32Array>()
    const [logged, gone] = [new Set<number>(), new Set<number>()]
    for (let row = 0; row < this.rows; row++) live.set(row, rowOf(this.vectors, row))
    for (let n = 0; n < batches; n++) {
      const { ids, vectors, deleted } = this.batch(n)
      ids.forEach((id, row) => {
        live.set(id, rowOf(vectors, row))
        logged.add(id)
        gone.delete(id)
      })
      for (const id of deleted) {
        live.delete(id)
        logged.delete(id)
        gone.add(id)
      }
    }
    return { live, logged, deleted: gone }
  }
}

/** 1 - cosine, in 64-bit floats. */
export function distance(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number]
    dot += x * y
    aa += x * x
    bb += y * y
  }
  return 1 - dot / Math.sqrt(aa * bb)
}

/** The k nearest by looking at all of them. */
export function nearest(live: ReadonlyMap<number, Float32Array>, query: Float32Array, k: number): { id: number; distance: number }[] {
  const all = Array.from(live, ([id, vector]) => ({ id, distance: distance(query, vector) }))
  return all.toSorted((a, b) => a.distance - b.distance || a.id - b.id).slice(0, k)
}
