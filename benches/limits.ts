// npm run bench -- limits [--sets a,b]: how near a walk, a scan and a build come to what the machine can do (crates/bench, limits).
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../scripts/lib/run.mjs'
import { prepareSet, setNames } from './peers/sets.ts'

const QUERIES = 1000

/** The exit code: 1 where a goal was missed. */
export async function bench(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { sets: { type: 'string' } } })
  let missed = 0
  for (const set of values.sets?.split(',') ?? setNames) {
    const folder = await prepareSet(set, QUERIES)
    const { metric, dimensions } = JSON.parse(fs.readFileSync(path.join(folder, 'set.json'), 'utf8')) as { metric: string; dimensions: number }
    console.log(`\n${set}`)
    const files = [path.join(folder, 'base.f32'), path.join(folder, 'queries.f32'), String(dimensions), metric]
    const { code } = await run('cargo', ['run', '--quiet', '--locked', '--profile', 'bench', '-p', 'bench', '--bin', 'limits', '--', ...files])
    if (code !== 0) missed++
  }
  return missed > 0 ? 1 : 0
}
