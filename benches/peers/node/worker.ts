// One engine of the Node world in a process of its own: worker.ts NAME SET_FOLDER THREADS builds; then it answers Questions.
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { readF32 } from '../../../scripts/lib/data.mjs'
import { ENGINES } from '../engines.ts'
import type { Answers, Question, Spent, Told } from '../protocol.ts'
import type { Adapter, MakeAdapter } from './adapter.ts'
import { Bigrain } from './bigrain.ts'
import { Hnswlib } from './hnswlib.ts'
import { LanceDb } from './lancedb.ts'
import { Usearch } from './usearch.ts'
import { Zvec } from './zvec.ts'

const ADAPTERS: Record<string, MakeAdapter> = {
  bigrain: (settings) => new Bigrain(settings),
  usearch: (settings) => new Usearch(settings),
  hnswlib: (settings) => new Hnswlib(settings),
  zvec: (settings) => new Zvec(settings),
  lancedb: (settings) => new LanceDb(settings),
}

/** Bytes of memory that the process has. */
async function held(): Promise<number> {
  // freed array buffers are given back after a collection, by another thread
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.()
    await setTimeout(50)
  }
  return process.memoryUsage().rss
}

/** Starts both clocks; what it gives reads them. */
function clocks(): () => Spent {
  const cpu = process.cpuUsage()
  const started = performance.now()
  return () => {
    const seconds = (performance.now() - started) / 1000
    const { user, system } = process.cpuUsage(cpu)
    return { seconds, cpuSeconds: (user + system) / 1e6 }
  }
}

class Queries {
  readonly #block: Float32Array
  readonly #dimensions: number
  readonly #prepared: unknown[]
  readonly #adapter: Adapter

  constructor(block: Float32Array, dimensions: number, adapter: Adapter) {
    this.#block = block
    this.#dimensions = dimensions
    this.#adapter = adapter
    this.#prepared = Array.from({ length: block.length / dimensions }, (_, n) => adapter.prepare(block.subarray(n * dimensions, (n + 1) * dimensions)))
  }

  async #single(prepared: unknown[]): Promise<Spent & { answers: Answers }> {
    const answers: unknown[] = []
    const spent = clocks()
    for (const query of prepared) {
      const answer = this.#adapter.search(query)
      answers.push(answer instanceof Promise ? await answer : answer)
    }
    return { ...spent(), answers: answers.map((answer) => this.#adapter.rows(answer)) }
  }

  async #batch(prepared: unknown[], threads: number): Promise<Spent & { answers: Answers }> {
    const block = this.#block.subarray(0, prepared.length * this.#dimensions)
    const spent = clocks()
    const read = await this.#adapter.batch?.(prepared, block, threads)
    return { ...spent(), answers: prepared.map((_, query) => read?.(query) ?? []) }
  }

  async measure({ effort, threads, queries }: Question): Promise<Told> {
    if (threads > 1 && !this.#adapter.batch) return { measured: null }
    await this.#adapter.setEffort(effort)
    // First the collector, whose threads go on for a while: they are no part of what searches take.
    globalThis.gc?.()
    await setTimeout(50)
    for (const query of this.#prepared.slice(0, 50)) await this.#adapter.search(query)
    const prepared = this.#prepared.slice(0, queries)
    return { measured: await (threads > 1 ? this.#batch(prepared, threads) : this.#single(prepared)) }
  }
}

const tell = (message: Told) => process.send?.(message)

async function main(): Promise<void> {
  const [name, folder, threads] = process.argv.slice(2) as [string, string, string]
  const engine = ENGINES[name]
  if (!engine) throw new Error(`no engine ${name}`)
  const { metric, dimensions } = JSON.parse(fs.readFileSync(path.join(folder, 'set.json'), 'utf8'))
  const adapter = (ADAPTERS[engine.adapter] as MakeAdapter)(engine.settings)
  const queries = new Queries(readF32(path.join(folder, 'queries.f32')), dimensions, adapter)
  const before = await held()
  const build = async () => {
    const base = readF32(path.join(folder, 'base.f32'))
    const spent = clocks()
    await adapter.build({ metric, dimensions, base }, Number(threads))
    return spent()
  }
  const spent = await build()
  tell({ built: { ...spent, memory: (await held()) - before, note: adapter.note() } })
  process.on('message', (question: Question) => {
    queries.measure(question).then(tell, (error) => tell({ failed: String(error) }))
  })
}

// the parent is gone, or wants no more
process.once('disconnect', () => process.exit(0))
main().catch((error) => {
  tell({ failed: String(error?.stack ?? error) })
  process.disconnect?.()
})
