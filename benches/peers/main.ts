// npm run bench:peers [-- --set NAME ...] [--only REGEX] [--rounds N] [--queries N]
// bigrain beside what npm and PyPI offer: same rows, same queries, one run, taking turns.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Explained, main, root } from '../../scripts/lib/run.mjs'
import { ENGINES } from './engines.ts'
import { installPeers } from './install.ts'
import { curve, type EngineResult, front, summary } from './report.ts'
import { K, loadSet, prepareSet, setNames } from './sets.ts'
import { plot } from './svg.ts'
import { compare } from './sweep.ts'

function machine(): Record<string, unknown> {
  return { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), memory: os.totalmem(), system: `${os.type()} ${os.release()} ${os.arch()}`, node: process.version, load: os.loadavg() }
}

interface Settings {
  rounds: number
  queries: number
}

/** The tables, as Markdown. */
function report(set: string, results: EngineResult[], { rounds, queries }: Settings): string {
  return `# ${set}: k = ${K}, median of ${rounds} rounds of ${queries} queries\n\n${summary(results)}\n`
}

function save(set: string, results: EngineResult[], settings: Settings): void {
  const folder = path.join(root, 'results')
  fs.mkdirSync(folder, { recursive: true })
  const write = (ending: string, text: string) => fs.writeFileSync(path.join(folder, `peers-${set}.${ending}`), text)
  const engines = results.map((result) => ({ ...result, settings: ENGINES[result.engine]?.settings, points: undefined, curve: curve(result.points) }))
  write('json', `${JSON.stringify({ date: new Date().toISOString(), set, k: K, ...settings, machine: machine(), engines }, undefined, 1)}\n`)
  write('md', report(set, results, settings))
  const panel = (one: boolean, speed: 'cpuQps' | 'qps', axis: string) => ({
    title: set, axis,
    lines: results.map(({ engine, points }) => ({
      name: engine, points: front(curve(points.filter(({ threads }) => one === (threads === 1))), speed).map((point) => ({ recall: point.recall, qps: point[speed] })),
    })),
  })
  write('svg', plot([panel(true, 'cpuQps', 'queries a second of processor time, one thread'), panel(false, 'qps', 'queries a second by the clock, all threads')]))
}

main(async () => {
  const { values } = parseArgs({
    options: {
      set: { type: 'string', multiple: true, default: setNames },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      queries: { type: 'string', default: '1000' },
    },
  })
  const names = Object.keys(ENGINES).filter((name) => new RegExp(values.only).test(name))
  const unknown = values.set.filter((set) => !setNames.includes(set))
  if (unknown.length > 0) throw new Explained(`there is no set ${unknown.join(', ')}; sets: ${setNames.join(', ')}`)
  if (names.length === 0) throw new Explained(`--only ${values.only} is none of the engines: ${Object.keys(ENGINES).join(', ')}`)
  const peers = await installPeers(names)
  peers.missing.forEach((why, name) => console.log(`SKIPPED ${name}: ${why}`))
  const present = names.filter((name) => !peers.missing.has(name))
  const settings = { rounds: Number(values.rounds), queries: Number(values.queries) }
  for (const set of values.set) {
    const folder = await prepareSet(set, settings.queries)
    let done = 0
    for await (const results of compare(loadSet(folder), folder, present, peers, settings.rounds, settings.queries)) {
      done++
      save(set, results, { ...settings, rounds: done }) // a long run that is stopped has said what it knows
      if (done === settings.rounds) console.log(`\n${report(set, results, settings)}\nWritten: results/peers-${set}.json, .md and .svg`)
    }
  }
})
