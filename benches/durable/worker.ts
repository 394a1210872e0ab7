// One engine in a process of its own. Told by the parent: worker.ts ENGINE ROWS BASE, then what to measure, one at a time.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { type Durability, type Engine, ENGINES, type Store } from './engines.ts'
import { loadRows } from './rows.ts'
import { measure, type Pace, Source, type Workload } from './workloads.ts'

export interface Job {
  workload: Workload
  durability: Durability
  milliseconds: number
  /** a directory that is not there yet */
  folder: string
}

export type Told = { ready: string } | { pace: Pace } | { failed: string }

const WARM_MS = 100
/** Rows read back after each run. */
const CHECKED = 8

/** The store holds what was acknowledged, after it was closed and opened again: speed alone says nothing. */
async function check(store: Store, source: Source): Promise<void> {
  const count = await store.count()
  if (count !== source.next) throw new Error(`${source.next} rows were acknowledged, and ${count} are there`)
  for (let n = 0; n < CHECKED; n++) {
    const id = Math.floor((n * (source.next - 1)) / (CHECKED - 1))
    const [found, wanted] = [await store.get(id), source.vectorOf(id)]
    if (found?.length !== wanted.length || !found.every((value, at) => value === wanted[at])) throw new Error(`the row of id ${id} came back changed`)
  }
}

async function run(engine: Engine, vectors: Float32Array, base: string | undefined, rows: number, job: Job): Promise<Pace> {
  fs.mkdirSync(job.folder, { recursive: true })
  if (base) fs.cpSync(base, job.folder, { recursive: true })
  // what earlier runs left in memory to be written is not this run's to wait for
  spawnSync('sync', { stdio: 'ignore' })
  const source = new Source(vectors, rows)
  const store = await engine.open(job.folder, job.durability)
  await measure(store, job.workload, source, WARM_MS)
  const pace = await measure(store, job.workload, source, job.milliseconds)
  await store.close()
  const again = await engine.open(job.folder, job.durability)
  await check(again, source)
  await again.close()
  fs.rmSync(job.folder, { recursive: true })
  return pace
}

/** A store of the first rows, to start every run from. */
async function makeBase(engine: Engine, vectors: Float32Array, rows: number, folder: string): Promise<void> {
  fs.mkdirSync(folder, { recursive: true })
  const store = await engine.open(folder, 'os')
  const source = new Source(vectors)
  while (source.next < rows) await source.addBatch(store, Math.min(10_000, rows - source.next))
  await store.close()
}

const tell = (message: Told) => process.send?.(message)

async function main(): Promise<void> {
  const [name, rows, base, folder] = process.argv.slice(2) as [string, string, string, string]
  const engine = ENGINES[name]
  if (!engine) throw new Error(`no engine ${name}`)
  const { vectors } = loadRows(Number(rows))
  if (Number(base) > 0) await makeBase(engine, vectors, Number(base), folder)
  tell({ ready: name })
  process.on('message', (job: Job) => {
    run(engine, vectors, Number(base) > 0 ? folder : undefined, Number(base), job).then(
      (pace) => tell({ pace }),
      (error) => tell({ failed: `${name}, ${job.workload}, ${job.durability}: ${error?.stack ?? error}` }),
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
