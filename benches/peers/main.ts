// npm run bench:peers [-- set ...] [--rounds N] [--queries N] [--engines a,b]
// bigrain beside usearch and hnswlib-node: same rows, same queries, one run, taking turns.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { main, npm, root } from '../../scripts/lib/run.mjs'
import { whole } from '../../scripts/lib/table.mjs'
import { ENGINES, peersDir } from './engines.ts'
import { curve, type EngineResult, summary } from './report.ts'
import { prepareSet, setNames } from './sets.ts'
import { plot } from './svg.ts'
import { Worker } from '../workers.ts'
import type { Told } from './worker.ts'

const EFFORTS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072]
/** An engine that reached this is asked no greater effort. */
const ENOUGH = 0.995

async function installPeers(): Promise<void> {
  if (['usearch', 'hnswlib-node'].every((name) => fs.existsSync(path.join(peersDir, 'node_modules', name)))) return
  console.log('Installing usearch and hnswlib-node (the latter compiles C++) into .data/peers ...')
  fs.mkdirSync(peersDir, { recursive: true })
  fs.writeFileSync(path.join(peersDir, 'package.json'), '{"private":true}\n')
  await npm(['install', '--no-audit', '--no-fund', '--loglevel=error', 'usearch@^2.25.3', 'hnswlib-node@^3.0.0'], { cwd: peersDir })
}

const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), 'worker.ts')

interface Runner extends EngineResult {
  worker: Worker<number, Told>
}

/** Builds one engine after the other, each with all the cores while the others are idle. */
async function buildAll(names: readonly string[], folder: string, threads: number): Promise<Runner[]> {
  const runners: Runner[] = []
  for (const engine of names) {
    const worker = new Worker<number, Told>(PROGRAM, [engine, folder, String(threads)], ['--expose-gc'])
    const told = await worker.next()
    if (!('built' in told)) throw new Error(`${engine}: measured before it was built`)
    console.log(`  ${engine}: built in ${told.built.buildSeconds.toFixed(1)} s, ${whole(told.built.memory / 1e6)} MB (${told.built.note})`)
    runners.push({ engine, worker, built: told.built, points: [] })
  }
  return runners
}

/** One round: at every effort each engine in turn. The first round finds the efforts that an engine needs. */
async function sweep(runners: readonly Runner[], round: number): Promise<void> {
  for (const ef of EFFORTS) {
    for (const runner of runners) {
      const wanted = round === 0 ? !runner.points.some((point) => point.recall >= ENOUGH) : runner.points.some((point) => point.ef === ef)
      if (!wanted) continue
      const told = await runner.worker.ask(ef)
      if ('measured' in told) runner.points.push(told.measured)
    }
  }
}

async function compare(set: string, names: readonly string[], rounds: number, queries: number): Promise<EngineResult[]> {
  const folder = await prepareSet(set, queries)
  console.log(`\n${set}`)
  const runners = await buildAll(names, folder, os.availableParallelism())
  for (let round = 0; round < rounds; round++) {
    console.log(`  round ${round + 1} of ${rounds}`)
    await sweep(runners, round)
  }
  runners.forEach((runner) => runner.worker.end())
  const results = runners.map(({ engine, built, points }) => ({ engine, built, points }))
  console.log(`\n${set}: one thread a query, k = 10, median of ${rounds} rounds\n\n${summary(results)}`)
  return results
}

function machine(): Record<string, unknown> {
  return { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), memory: os.totalmem(), system: `${os.type()} ${os.release()} ${os.arch()}`, node: process.version, load: os.loadavg() }
}

function save(results: Record<string, EngineResult[]>, settings: object): void {
  const folder = path.join(root, 'results')
  fs.mkdirSync(folder, { recursive: true })
  const sets = Object.entries(results)
  const report = {
    date: new Date().toISOString(), machine: machine(), settings,
    sets: Object.fromEntries(sets.map(([set, engines]) => [set, engines.map((engine) => ({ ...engine, curve: curve(engine.points) }))])),
  }
  fs.writeFileSync(path.join(folder, 'peers.json'), `${JSON.stringify(report, undefined, 1)}\n`)
  const panels = sets.map(([title, engines]) => ({ title, lines: engines.map(({ engine, points }) => ({ name: engine, points: curve(points) })) }))
  fs.writeFileSync(path.join(folder, 'peers.svg'), plot(panels))
  console.log('\nWritten: results/peers.json, results/peers.svg')
}

main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '3' }, queries: { type: 'string', default: '1000' }, engines: { type: 'string' } },
  })
  const sets = positionals.length > 0 ? positionals : setNames
  const names = values.engines?.split(',') ?? Object.keys(ENGINES)
  const unknown = [...names.filter((name) => !(name in ENGINES)), ...sets.filter((set) => !setNames.includes(set))]
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}; engines: ${Object.keys(ENGINES).join(',')}; sets: ${setNames.join(' ')}`)
  await installPeers()
  const results: Record<string, EngineResult[]> = {}
  for (const set of sets) {
    results[set] = await compare(set, names, Number(values.rounds), Number(values.queries))
    save(results, { rounds: Number(values.rounds), queries: Number(values.queries), k: 10, m: 16, efConstruction: 200, efforts: EFFORTS })
  }
})
