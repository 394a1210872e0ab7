// npm run bench -- threads [--sets a,b] [--kinds a,b] [--rounds N]: `searchBatch` on two threads of one process, beside two processes of
// one thread each at the same time. All have the same saved index in memory, and slices of a second take turns.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { dataDir, root } from '../scripts/lib/run.mjs'
import { percentile, table, whole } from '../scripts/lib/table.mjs'
import type { Question, Told } from './child.ts'
import { KINDS } from './kinds.ts'
import { prepareSet, setNames } from './peers/sets.ts'
import { Worker } from './workers.ts'

/** The least that two threads are to give of what two processes give. */
const GOAL = 0.95

const start = async (args: string[]) => {
  const worker = new Worker<Question, Told>(path.join(root, 'benches', 'child.ts'), args, ['--expose-gc'])
  await worker.next()
  return worker
}

/** Queries a second that each of the workers answers while all of them are at it. */
const rates = (workers: readonly Worker<Question, Told>[]): Promise<number[]> =>
  Promise.all(workers.map(async (worker) => (await worker.ask({ ask: 'batches' })).rate as number))

async function measured(set: string, kind: string, rounds: number): Promise<{ one: number; two: number; ratio: number }> {
  const saved = path.join(dataDir, `threads-${process.pid}`)
  const builder = await start(['build', set, kind])
  await builder.ask({ ask: 'save', to: saved })
  builder.end()
  try {
    const open = (threads: number) => start(['open', set, kind, saved, String(threads)])
    const [both, first, second] = [await open(2), await open(1), await open(1)]
    const [one, two]: [number[], number[]] = [[], []]
    for (let round = -1; round < rounds; round++) {
      const slices = [
        async () => { const [a, b] = await rates([first, second]) as [number, number]; if (round >= 0) two.push(a + b) },
        async () => { const [a] = await rates([both]) as [number]; if (round >= 0) one.push(a) },
      ]
      for (const slice of round % 2 === 0 ? slices : slices.toReversed()) await slice()
    }
    for (const worker of [both, first, second]) worker.end()
    const median = (values: readonly number[]) => percentile(values, 0.5)
    return { one: median(one), two: median(two), ratio: median(one.map((rate, round) => rate / (two[round] as number))) }
  } finally {
    fs.rmSync(saved, { recursive: true, force: true })
  }
}

/** The exit code: 1 where a goal was missed. */
export async function bench(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { sets: { type: 'string' }, kinds: { type: 'string' }, rounds: { type: 'string', default: '11' } } })
  const lines = [['set', 'index', 'two threads', 'two processes', 'ratio', 'goal', '']]
  let missed = 0
  for (const set of values.sets?.split(',') ?? setNames) {
    const folder = await prepareSet(set, 1000)
    for (const kind of values.kinds?.split(',') ?? Object.keys(KINDS)) {
      const { one, two, ratio } = await measured(folder, kind, Number(values.rounds))
      if (ratio < GOAL) missed++
      lines.push([set, kind, `${whole(one)}/s`, `${whole(two)}/s`, ratio.toFixed(3), String(GOAL), ratio >= GOAL ? 'met' : 'missed'])
    }
  }
  console.log(`\nsearchBatch, queries a second: medians of ${values.rounds} rounds of slices in turn\n\n${table(lines)}`)
  return missed === 0 ? 0 : 1
}
