// The rows that are written: GloVe word vectors where they were fetched already, else seeded ones of the same shape.
import fs from 'node:fs'
import path from 'node:path'
import { randomIntegers } from '../../scripts/lib/data.mjs'
import { dataDir } from '../../scripts/lib/run.mjs'

export const DIMENSIONS = 100

export interface Rows {
  /** row-major */
  vectors: Float32Array
  source: string
}

/** The first rows of the file, without reading the rest. */
function readRows(file: string, count: number): Float32Array {
  const rows = new Float32Array(count * DIMENSIONS)
  const fd = fs.openSync(file, 'r')
  try {
    const read = fs.readSync(fd, rows, 0, rows.byteLength, 0)
    if (read !== rows.byteLength) throw new Error(`${file} has not ${count} rows`)
  } finally {
    fs.closeSync(fd)
  }
  return rows
}

/** Uniform in -1 ... 1: rows of length zero do not occur. */
function seededRows(count: number, seed: number): Float32Array {
  const next: () => number = randomIntegers(seed)
  return Float32Array.from({ length: count * DIMENSIONS }, () => next() / 2 ** 31 - 1)
}

/** At most 341,479 rows of GloVe, or as many as wanted from a generator. */
export function loadRows(count: number): Rows {
  const file = path.join(dataDir, 'glove-100', 'vectors.f32')
  const there = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (there >= count * DIMENSIONS * 4) return { vectors: readRows(file, count), source: 'GloVe word vectors' }
  return { vectors: seededRows(count, 1), source: 'seeded random rows' }
}

/** One row, as a view. */
export const rowOf = (vectors: Float32Array, row: number): Float32Array =>
  vectors.subarray(row * DIMENSIONS, (row + 1) * DIMENSIONS)
