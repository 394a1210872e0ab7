// npm run bench -- memory [--sets a,b] [--kinds a,b]: what `stats().memory.total` says beside what the process of the index grew by,
// over one that only loaded the addon.
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../scripts/lib/run.mjs'
import { table } from '../scripts/lib/table.mjs'
import type { Told } from './child.ts'
import { KINDS } from './kinds.ts'
import { prepareSet, setNames } from './peers/sets.ts'
import { Worker } from './workers.ts'

/** How far the two may be apart: a share of the growth, and bytes. */
const SHARE = 0.2
const BYTES = 16 * 2 ** 20

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** A process that holds an index of that kind, or none, and what it holds. */
async function held(folder: string, kind: string): Promise<{ rss: number; total: number }> {
  const worker = new Worker<{ ask: 'memory' }, Told>(path.join(root, 'benches', 'child.ts'), ['build', folder, kind], ['--expose-gc'])
  await worker.next()
  const { rss, total } = await worker.ask({ ask: 'memory' })
  worker.end()
  return { rss: rss as number, total: total as number }
}

/** The exit code: 1 where a goal was missed. */
export async function bench(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { sets: { type: 'string' }, kinds: { type: 'string' } } })
  const lines = [['set', 'index', 'stats', 'process', 'apart', 'goal', '']]
  let missed = 0
  for (const name of values.sets?.split(',') ?? setNames) {
    const folder = await prepareSet(name, 1000)
    const bare = await held(folder, 'none')
    for (const kind of values.kinds?.split(',') ?? Object.keys(KINDS)) {
      const { rss, total } = await held(folder, kind)
      const grown = rss - bare.rss
      const [apart, goal] = [Math.abs(total - grown), SHARE * grown + BYTES]
      if (apart > goal) missed++
      lines.push([name, kind, mib(total), mib(grown), mib(apart), mib(goal), apart <= goal ? 'met' : 'missed'])
    }
  }
  console.log(`\n${table(lines)}`)
  return missed === 0 ? 0 : 1
}
