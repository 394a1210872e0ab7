// What an engine of the Node world must be able to do to take part.
import fs from 'node:fs'
import path from 'node:path'
import { dataDir } from '../../../scripts/lib/run.mjs'
import { Packages } from '../../packages.ts'
import type { Effort, Settings } from '../engines.ts'

/** What is searched: row-major, of unit length where the metric is cosine. */
export interface Rows {
  metric: 'cosine' | 'l2'
  dimensions: number
  base: Float32Array
}

/** Made by a constructor that loads the library and nothing else. Each is called in the form it is fastest with. */
export interface Adapter {
  /** Nothing of `rows` is in use by the engine afterwards, unless it works on them in place. */
  build(rows: Rows, threads: number): Promise<void>
  setEffort(effort: Effort): Promise<void>
  /** A query in the engine's own best form, made before the clock runs. */
  prepare(query: Float32Array): unknown
  /** One query on one thread: an answer, or a promise of one where the engine cannot do without. Read after the clock has stopped. */
  search(query: unknown): unknown
  rows(answer: unknown): number[]
  /** All queries on so many threads; missing where the engine has no such call. What comes back reads the answer of one query. */
  batch?(queries: unknown[], block: Float32Array, threads: number): Promise<(query: number) => number[]>
  /** What the engine says about itself: versions, choices. */
  note(): string
}

export type MakeAdapter = (settings: Settings) => Adapter

export const packages = new Packages('peers')

/** A path for an engine's files, gone when the process ends. */
export function scratch(name: string): string {
  const folder = path.join(dataDir, 'peers', `scratch-${process.pid}`)
  fs.mkdirSync(folder, { recursive: true })
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  return path.join(folder, name)
}

/** Keeps so many queries under way at once: for engines whose only way to use threads is their own pool behind promises. */
export async function atOnce(queries: unknown[], threads: number, search: (query: unknown) => unknown): Promise<unknown[]> {
  const answers = new Array<unknown>(queries.length)
  let next = 0
  const lane = async () => {
    while (next < queries.length) {
      const at = next++
      answers[at] = await search(queries[at])
    }
  }
  await Promise.all(Array.from({ length: 2 * threads }, lane))
  return answers
}
