// npm run bench -- durable [--rounds N] [--seconds S] [--base N] [--engines a,b] [--workloads a,b] [--folder PATH] [--no-evidence]
// Rows a second that are safe when the call resolves: bigrain beside sqlite-vec and LanceDB, same rows, one run, taking turns.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dataDir, Explained, root } from '../../scripts/lib/run.mjs'
import { type Durability, ENGINES } from './engines.ts'
import { type Evidence, gather } from './evidence.ts'
import { deviceFloor, fileSystem, machine } from './machine.ts'
import { installPeers } from './peers.ts'
import { evidenceTable, type Goal, goalLines, goals, type Measured, speeds } from './report.ts'
import { DIMENSIONS, loadRows } from './rows.ts'
import { Worker } from '../workers.ts'
import type { Job, Told } from './worker.ts'
import { type Pace, type Workload, WORKLOADS } from './workloads.ts'

const ROWS = 200_000

const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), 'worker.ts')

interface Settings {
  rounds: number
  seconds: number
  base: number
  workloads: Workload[]
  engines: string[]
  evidence: boolean
  folder: string
}

function paceOf(told: Told): Pace {
  if (!('pace' in told)) throw new Error('the worker answered something else')
  return told.pace
}

function settingsOf(argv: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      'rounds': { type: 'string', default: '5' }, 'seconds': { type: 'string', default: '0.6' }, 'base': { type: 'string', default: '0' },
      'engines': { type: 'string' }, 'workloads': { type: 'string' }, 'folder': { type: 'string', default: dataDir }, 'no-evidence': { type: 'boolean', default: false },
    },
  })
  const list = (given: string | undefined, all: readonly string[]) => {
    const names = given?.split(',') ?? [...all]
    const unknown = names.filter((name) => !all.includes(name))
    if (unknown.length > 0) throw new Explained(`unknown: ${unknown.join(', ')}; there are: ${all.join(',')}`)
    return names
  }
  return {
    rounds: Number(values.rounds), seconds: Number(values.seconds), base: Number(values.base), evidence: !values['no-evidence'], folder: values.folder,
    workloads: list(values.workloads, WORKLOADS) as Workload[], engines: list(values.engines, Object.keys(ENGINES)),
  }
}

/** Everything that one round asks: who is asked for what. */
function jobsOf({ engines, workloads }: Settings): Measured[] {
  return workloads.flatMap((workload) => (['sync', 'os'] as Durability[]).flatMap((durability) => engines
    .filter((name) => ENGINES[name]?.durabilities.includes(durability) && (workload === 'callers' || !ENGINES[name]?.grouped))
    .map((engine): Measured => ({ workload, durability, engine, rounds: [] }))))
}

async function sweep(settings: Settings, folder: string): Promise<Measured[]> {
  const workers = new Map<string, Worker<Job, Told>>()
  const measured = jobsOf(settings)
  try {
    for (const engine of settings.engines) {
      const worker = new Worker<Job, Told>(PROGRAM, [engine, String(ROWS), String(settings.base), path.join(folder, `base-${workers.size}`)])
      workers.set(engine, worker)
      await worker.next()
    }
    for (let round = 0; round < settings.rounds; round++) {
      console.log(`  round ${round + 1} of ${settings.rounds}`)
      // another engine begins in each round, so that none always follows the same one
      const turned = measured.map((_, n) => measured[(n + round) % measured.length] as Measured)
      for (const { workload, durability, engine, rounds } of turned) {
        const job = { workload, durability, milliseconds: settings.seconds * 1000, folder: path.join(folder, 'run') }
        rounds.push(paceOf(await (workers.get(engine) as Worker<Job, Told>).ask(job)))
      }
    }
  } finally {
    workers.forEach((worker) => worker.end())
  }
  return measured
}

function allEvidence(engines: readonly string[], folder: string): Evidence[] {
  return engines.filter((name) => !ENGINES[name]?.grouped).flatMap((name) => (ENGINES[name]?.durabilities ?? []).map((durability) => {
    console.log(`  ${name}, '${durability}'`)
    return gather(name, durability, ENGINES[name]?.how(durability) ?? '', path.join(folder, 'witness'))
  }))
}

const LEGEND = `kill -9: rows acknowledged one by one, then SIGKILL, then counted by another process. Power loss: yes where every add resolved only after a
sync of the store's files that began in its time had ended, seen by strace. "bigrain / it": above 1 bigrain is faster. Spread: of the rounds, by their median.
One call: its median time, which other work on the machine disturbs least.
"grouped": with what a caller can write around an engine that has no shared commit: rows that wait together go in as one transaction. sqlite's calls
block, so that its 64 callers follow one another, each with a transaction of its own. "plain sqlite": a blob column without sqlite-vec's table.`

function save(report: { header: string; evidence: Evidence[]; measured: Measured[]; goals: Goal[] }, settings: Settings): void {
  const folder = path.join(root, 'results')
  fs.mkdirSync(folder, { recursive: true })
  const json = { date: new Date().toISOString(), machine: machine(settings.folder), settings, ...report }
  fs.writeFileSync(path.join(folder, 'durable.json'), `${JSON.stringify(json, undefined, 1)}\n`)
  const setUp = report.evidence.map(({ engine, durability, how }) => `- ${engine}, '${durability}': ${how}`).join('\n')
  const block = (text: string) => `\`\`\`\n${text}\n\`\`\``
  const parts = ['# Durable writes', report.header, LEGEND, setUp, block(evidenceTable(report.evidence)), block(speeds(report.measured)), block(goalLines(report.goals))]
  fs.writeFileSync(path.join(folder, 'durable.md'), `${parts.join('\n\n')}\n`)
  console.log('\nWritten: results/durable.json, results/durable.md')
}

export async function bench(argv: readonly string[]): Promise<number> {
  const asked = settingsOf(argv)
  const missing = await installPeers()
  missing.forEach((why, engine) => console.log(`SKIPPED ${engine}: ${why}`))
  const settings = { ...asked, engines: asked.engines.filter((name) => !missing.has(ENGINES[name]?.needs ?? '')) }
  const folder = fs.mkdtempSync(path.join(settings.folder, 'durable-'))
  try {
    const floor = deviceFloor(path.join(folder, 'floor'))
    const header = `${DIMENSIONS} dimensions, f32, number ids; ${loadRows(ROWS).source}; ${settings.base === 0 ? 'empty' : `${settings.base} rows`} at the start; ` +
      `median of ${settings.rounds} rounds of ${settings.seconds} s, taking turns; ${fileSystem(folder)}; writing 512 bytes and fdatasync alone: ${(floor * 1000).toFixed(0)} us (median)`
    if (fileSystem(folder) === 'tmpfs') console.log('A sync costs nothing on tmpfs: give --folder a place on a disk.')
    console.log(`\n${header}\n`)
    const evidence = settings.evidence ? allEvidence(settings.engines, folder) : []
    if (settings.evidence) console.log(`\n${evidenceTable(evidence)}\n`)
    const measured = await sweep(settings, folder)
    const reached = goals(measured)
    console.log(`\n${speeds(measured)}\n\n${goalLines(reached)}\n\n${LEGEND}`)
    save({ header, evidence, measured, goals: reached }, settings)
    return reached.every(({ met }) => met) ? 0 : 1
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
