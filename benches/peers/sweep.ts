// The run: engines are built one after the other, then take turns.
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { whole } from '../../scripts/lib/table.mjs'
import { Worker } from '../workers.ts'
import { type Effort, ENGINES, type Engine, isOurs } from './engines.ts'
import type { Peers } from './install.ts'
import type { Built, Question, Told } from './protocol.ts'
import { PythonWorker } from './python.ts'
import { type EngineResult, type Point, worthMeasuring } from './report.ts'
import { type DataSet, recall } from './sets.ts'

/** An engine that reached this is asked no greater effort. */
const ENOUGH = 0.995
/** Of several ladders, one that found so little more by its last step is climbed no further: what it lacks is the other dimension. */
const STANDSTILL = 0.001
/** A ladder that another one has overtaken by so much will not lead again. */
const OVERTAKEN = 1.15
/** Queries that efforts are chosen by. */
const TRIAL = 200

const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), 'node', 'worker.ts')

interface Runner {
  name: string
  engine: Engine
  worker: { next(): Promise<Told>; ask(question: Question): Promise<Told>; end(): void }
  built: Built
  points: Point[]
  /** It failed while it was measured. */
  failed: boolean
}

/** Starts one engine's process and waits for its index, which it builds with all the cores while the others are idle. */
async function build(name: string, folder: string, { venv }: Peers): Promise<Runner> {
  const engine = ENGINES[name] as Engine
  const threads = os.availableParallelism()
  const worker = engine.world === 'node'
    ? new Worker<Question, Told>(PROGRAM, [name, folder, String(threads)], ['--expose-gc'])
    : new PythonWorker(venv as NonNullable<typeof venv>, name, engine, folder, threads)
  try {
    const told = await worker.next()
    if (!('built' in told)) throw new Error('measured before it was built')
    const { built } = told
    console.log(`  ${name}: built in ${built.seconds.toFixed(1)} s (${built.cpuSeconds.toFixed(1)} s of processors), ${whole(built.memory / 1e6)} MB (${built.note})`)
    return { name, engine, worker, built, points: [], failed: false }
  } catch (error) {
    worker.end()
    throw error
  }
}

/** An engine that fails is left out, unless it is ours. */
function leaveOut(name: string, error: unknown): void {
  if (isOurs(name)) throw error
  console.log(`  SKIPPED ${name}: ${(error as Error).message}`)
}

async function measure(runner: Runner, set: DataSet, question: Question): Promise<Point | undefined> {
  if (runner.failed) return undefined
  try {
    const told = await runner.worker.ask(question)
    if (!('measured' in told) || !told.measured) return undefined
    const { answers, seconds, cpuSeconds } = told.measured
    return {
      effort: question.effort, threads: question.threads, recall: recall(set, answers),
      qps: answers.length / seconds, cpuQps: answers.length / cpuSeconds,
    }
  } catch (error) {
    runner.failed = true
    leaveOut(runner.name, error)
    return undefined
  }
}

/** Climbs all the ladders of an engine with few queries, as far as there is something to find. Gives the efforts on the front. */
async function explore(runner: Runner, set: DataSet): Promise<Effort[]> {
  const found: Point[] = []
  const { ladders } = runner.engine
  for (const ladder of ladders) {
    let last = 0
    for (const effort of ladder) {
      const point = await measure(runner, set, { effort, threads: 1, queries: TRIAL })
      if (!point) break
      const overtaken = ladders.length > 1 && found.some((other) => other.recall >= point.recall && other.cpuQps > OVERTAKEN * point.cpuQps)
      found.push(point)
      const stands = ladders.length > 1 && last > 0 && point.recall - last < STANDSTILL
      if (overtaken || stands || point.recall >= ENOUGH) break
      last = point.recall
    }
  }
  return worthMeasuring(found)
}

/** One round: each engine in turn at its first effort, then each at its second, and so on; by one thread, then by all. */
async function round(runners: readonly Runner[], efforts: ReadonlyMap<Runner, Effort[]>, set: DataSet, queries: number): Promise<void> {
  const most = Math.max(...[...efforts.values()].map((of) => of.length))
  for (let step = 0; step < most; step++) {
    for (const threads of new Set([1, os.availableParallelism()])) {
      for (const runner of runners) {
        const effort = efforts.get(runner)?.[step]
        const point = effort && (await measure(runner, set, { effort, threads, queries }))
        if (point) runner.points.push(point)
      }
    }
  }
}

/** Builds and measures the named engines on a set in one run. Gives what is known after every round. */
export async function* compare(set: DataSet, folder: string, names: readonly string[], peers: Peers, rounds: number, queries: number): AsyncGenerator<EngineResult[]> {
  console.log(`\n${set.name}`)
  const runners: Runner[] = []
  try {
    for (const name of names) {
      await build(name, folder, peers).then((runner) => runners.push(runner), (error) => leaveOut(name, error))
    }
    const efforts = new Map<Runner, Effort[]>()
    for (const runner of runners) {
      efforts.set(runner, await explore(runner, set))
      console.log(`  ${runner.name}: ${efforts.get(runner)?.length} efforts are worth measuring`)
    }
    for (let n = 1; n <= rounds; n++) {
      console.log(`  round ${n} of ${rounds}`)
      await round(runners, efforts, set, queries)
      yield runners.filter((runner) => !runner.failed).map((runner) => resultOf(runner, set))
    }
  } finally {
    runners.forEach((runner) => runner.worker.end())
  }
}

function resultOf({ name, engine, built, points }: Runner, set: DataSet): EngineResult {
  return { engine: name, ours: isOurs(name), built, points, beside: built.memory - set.base.length * engine.keeps }
}
