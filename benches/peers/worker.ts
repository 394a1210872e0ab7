// One engine in a process of its own: its memory is its own, and what it does to the process is no other engine's loss.
// Told by the parent: worker.ts ENGINE SET_FOLDER THREADS, then efforts to measure, one at a time.
import fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { type Engine, ENGINES } from './engines.ts'
import { type DataSet, loadSet, recall } from './sets.ts'

export interface Built {
  buildSeconds: number
  /** bytes that the process holds more than before the build */
  memory: number
  note: string
}

export interface Measured {
  ef: number
  recall: number
  /** queries a second by the clock, and by the processor time that this process used */
  qps: number
  cpuQps: number
}

export type Told = { built: Built } | { measured: Measured } | { failed: string }

/** Bytes of memory that are this process's alone (not files it maps), where the system says so. */
async function held(): Promise<number> {
  // freed array buffers are given back after a collection, by another thread
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.()
    await setTimeout(50)
  }
  try {
    const kib = /RssAnon:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1]
    if (kib) return Number(kib) * 1024
  } catch {
    // not Linux
  }
  return process.memoryUsage().rss
}

/** All queries once, one after the other. */
async function measure(engine: Engine, set: DataSet, prepared: unknown[], ef: number): Promise<Measured> {
  await engine.setEf(ef)
  for (const query of prepared.slice(0, 50)) engine.search(query)
  globalThis.gc?.()
  const answers: unknown[] = []
  const cpu = process.cpuUsage()
  const started = performance.now()
  for (const query of prepared) answers.push(engine.search(query))
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return {
    ef,
    recall: recall(set, answers.map((answer) => engine.rows(answer))),
    qps: prepared.length / seconds,
    cpuQps: prepared.length / ((user + system) / 1e6),
  }
}

const tell = (message: Told) => process.send?.(message)

async function main(): Promise<void> {
  const [name, folder, threads] = process.argv.slice(2) as [string, string, string]
  const engine = ENGINES[name]?.()
  if (!engine) throw new Error(`no engine ${name}`)
  const set = loadSet(folder)
  const rows = Array.from({ length: set.queries.length / set.dimensions }, (_, n) => set.queries.subarray(n * set.dimensions, (n + 1) * set.dimensions))
  const prepared = engine.prepare(rows)
  const before = await held()
  const started = performance.now()
  await engine.build(set, Number(threads))
  const buildSeconds = (performance.now() - started) / 1000
  tell({ built: { buildSeconds, memory: (await held()) - before, note: engine.note() } })
  process.on('message', (ef: number) => {
    measure(engine, set, prepared, ef).then(
      (measured) => tell({ measured }),
      (error) => tell({ failed: String(error) }),
    )
  })
  // the parent is gone, or wants no more
  process.once('disconnect', () => process.exit(0))
}

main().catch((error) => {
  tell({ failed: String(error?.stack ?? error) })
  process.disconnect?.()
  process.exitCode = 1
})
