// A process with one index, for the benches of memory and of threads. child.ts build SET KIND | open SET KIND SAVED THREADS
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Index } from 'bigrain'
import { readF32 } from '../scripts/lib/data.mjs'
import { kindOf } from './kinds.ts'
import { K } from './peers/sets.ts'

export type Question = { ask: 'memory' } | { ask: 'save'; to: string } | { ask: 'batches' }
/** What is told depends on what was asked. */
export type Told = { rss?: number; total?: number; rate?: number }

const CHUNK = 4096
const SLICE_MS = 1000

interface Shape {
  metric: 'cosine' | 'l2'
  dimensions: number
}

/** The rows of the set go through one small buffer, so that the process is as large as its index. */
async function build(folder: string, shape: Shape, kind: string): Promise<Index | undefined> {
  if (kind === 'none') return undefined
  const index = new Index({ ...shape, ...kindOf(kind).options, seed: 1 })
  const file = fs.openSync(path.join(folder, 'base.f32'), 'r')
  const rows = fs.fstatSync(file).size / 4 / shape.dimensions
  const buffer = new Float32Array(CHUNK * shape.dimensions)
  for (let from = 0; from < rows; from += CHUNK) {
    const vectors = buffer.subarray(0, Math.min(CHUNK, rows - from) * shape.dimensions)
    fs.readSync(file, vectors)
    await index.add({ ids: Uint32Array.from({ length: vectors.length / shape.dimensions }, (_, row) => from + row), vectors })
  }
  fs.closeSync(file)
  await index.optimize()
  return index
}

/** What the process holds once everything has come to rest. */
async function memory(index: Index | undefined, queries: Float32Array): Promise<Told> {
  await index?.searchBatch(queries.subarray(0, queries.length / 10), { k: K })
  await setTimeout(1000)
  globalThis.gc?.()
  return { rss: process.memoryUsage.rss(), total: index?.stats().memory.total ?? 0 }
}

/** Batches one after another for a second: queries a second. */
async function batches(index: Index, queries: Float32Array): Promise<Told> {
  const started = performance.now()
  let done = 0
  while (performance.now() - started < SLICE_MS) done += (await index.searchBatch(queries, { k: K })).count
  return { rate: (done * 1000) / (performance.now() - started) }
}

async function main(): Promise<void> {
  const [what, folder, kind, saved, threads] = process.argv.slice(2) as [string, string, string, string, string]
  const { metric, dimensions } = JSON.parse(fs.readFileSync(path.join(folder, 'set.json'), 'utf8')) as Shape
  const index = what === 'build' ? await build(folder, { metric, dimensions }, kind) : await Index.open(saved, { readOnly: true, threads: Number(threads) })
  const queries = readF32(path.join(folder, 'queries.f32'))
  const batch = queries.subarray(0, (kind === 'none' ? 0 : kindOf(kind).batch) * dimensions)
  process.on('message', async (question: Question) => {
    if (question.ask === 'memory') return process.send?.(await memory(index, queries))
    if (question.ask === 'batches') return process.send?.(await batches(index as Index, batch))
    await index?.snapshot(question.to)
    process.send?.({})
  })
  process.send?.({})
}

main().catch((error) => {
  process.send?.({ failed: String(error?.stack ?? error) }, () => process.exit(1))
})
