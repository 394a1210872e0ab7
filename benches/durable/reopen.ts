// npm run bench -- reopen [--rows N] [--rounds N] [--folder PATH]
// An index that was killed with 64 MiB of log behind its checkpoint is opened by a fresh process and asked: is it back in
// less than two seconds more than it takes to read the checkpoint's files?
import { fork, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nativeSources } from '../../scripts/lib/ensure.mjs'
import { makeOnce } from '../../scripts/lib/packages.mjs'
import { dataDir, exists, root } from '../../scripts/lib/run.mjs'
import { table, whole } from '../../scripts/lib/table.mjs'
import { fileSystem, machine } from './machine.ts'
import { checkpointFiles, type Told } from './reopen-child.ts'

const CHILD = path.join(path.dirname(fileURLToPath(import.meta.url)), 'reopen-child.ts')
const ALLOWED_MS = 2_000

/** Runs a child until it says something; with `kill` it is killed then, else it ends by itself. */
async function child(args: readonly string[], kill = false): Promise<Told | undefined> {
  const running = fork(CHILD, args, { execArgv: ['--import', '@oxc-node/core/register'], cwd: root })
  let told: Told | undefined
  running.on('message', (message: Told) => {
    told = message
    if (kill) running.kill('SIGKILL')
  })
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => running.once('exit', (...ended) => resolve(ended)))
  if (told && 'failed' in told) throw new Error(told.failed)
  if (code !== 0 && !(signal === 'SIGKILL' && told)) throw new Error(`${args[0]}: the process ended (${signal ?? code})`)
  return told
}

const filesOf = (folder: string): string[] => fs.readdirSync(folder).map((name) => path.join(folder, name))

/** Takes a folder's files out of the page cache, for which GNU dd has an option that needs no privileges. False where it cannot. */
function forget(folder: string): boolean {
  if (process.platform !== 'linux') return false
  spawnSync('sync', { stdio: 'ignore' })
  return filesOf(folder).every((file) => spawnSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none'], { stdio: 'ignore' }).status === 0)
}

/** Bytes of a folder's files that are in the page cache, where there is a program that says so. */
function cached(folder: string): number | undefined {
  if (!exists('fincore')) return undefined
  const said = spawnSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', ...filesOf(folder)], { encoding: 'utf8' })
  return said.status === 0 ? said.stdout.trim().split(/\s+/).reduce((sum, bytes) => sum + Number(bytes), 0) : undefined
}

interface Round {
  cache: 'cold' | 'warm'
  read: number
  open: number
  answers: number
  recall: number
  unlinked: number
}

/** One opening, and one plain read of the checkpoint, each by a process of its own and with the same in the page cache. */
async function round(cache: Round['cache'], killed: string, work: string, rows: number, batches: number): Promise<Round> {
  fs.rmSync(work, { recursive: true, force: true })
  fs.cpSync(killed, work, { recursive: true })
  if (cache === 'cold') forget(work)
  else await child(['read', work])
  const inMemory = cached(work)
  if (cache === 'cold' && inMemory) console.log(`  ${whole(inMemory / 1e6)} MB stayed in the page cache`)
  const read = await child(['read', work])
  if (cache === 'cold') forget(work)
  const opened = await child(['open', work, String(rows), String(batches)])
  if (!read || !('read' in read) || !opened || !('opened' in opened)) throw new Error('a process ended without a word')
  const { open, answers, recall, unlinked } = opened.opened
  return { cache, read: read.read.milliseconds, open, answers, recall, unlinked }
}

const ms = (value: number): string => `${whole(value)} ms`

function reportOf(rounds: readonly Round[]): { text: string; passed: boolean } {
  const passes = (one: Round) => one.open + one.answers < ALLOWED_MS + one.read
  const line = (one: Round) => [one.cache, ms(one.open), ms(one.answers), ms(one.open + one.answers), ms(one.read), ms(ALLOWED_MS + one.read), one.recall.toFixed(2), whole(one.unlinked), passes(one) ? 'pass' : 'FAIL']
  const heading = ['page cache', 'open', 'five answers', 'together', 'plain read', 'allowed', 'recall@10', 'not linked yet', '']
  return { text: table([heading, ...rounds.map(line)]), passed: rounds.every(passes) }
}

export async function bench(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { rows: { type: 'string', default: '300000' }, rounds: { type: 'string', default: '3' }, folder: { type: 'string', default: dataDir } },
  })
  const rows = Number(values.rows)
  // an index is tied to the sources of the addon that made it
  const name = `reopen-${rows}-${nativeSources().slice(0, 12)}`
  fs.readdirSync(dataDir).filter((other) => other.startsWith('reopen-') && other !== name).forEach((other) => fs.rmSync(path.join(dataDir, other), { recursive: true }))
  const base = await makeOnce(name, async (to: string) => {
    console.log(`Making an index of ${whole(rows)} rows and its links (once) ...`)
    await child(['fill', to, String(rows)])
  })
  const folder = fs.mkdtempSync(path.join(values.folder, 'reopened-'))
  try {
    const killed = path.join(folder, 'killed')
    fs.cpSync(base, killed, { recursive: true })
    const told = await child(['write', killed, String(rows)], true)
    if (!told || !('written' in told)) throw new Error('nothing was written')
    const { batches, rows: written, logBytes } = told.written
    const bytes = checkpointFiles(killed).reduce((sum, file) => sum + fs.statSync(file).size, 0)
    const header = `${whole(rows)} rows of 100 dimensions, checkpoint ${(bytes / 2 ** 20).toFixed(1)} MiB; then ${whole(written)} rows in batches of 1,000 (a tenth replacing, some deleted), ` +
      `log ${(logBytes / 2 ** 20).toFixed(1)} MiB; then SIGKILL; ${fileSystem(folder)}`
    console.log(`\n${header}\n`)
    const rounds: Round[] = []
    const caches: Round['cache'][] = forget(killed) ? ['cold', 'warm'] : ['warm']
    if (caches.length === 1) console.log('The page cache cannot be emptied here: only warm.')
    for (let n = 0; n < Number(values.rounds); n++) for (const cache of caches) rounds.push(await round(cache, killed, path.join(folder, 'opened'), rows, batches))
    const { text, passed } = reportOf(rounds)
    const verdict = `${passed ? 'PASS' : 'FAIL'}: open and five correct answers in less than 2 s plus the plain read of the checkpoint, in each of ${rounds.length} openings`
    console.log(`${text}\n\n${verdict}`)
    const results = path.join(root, 'results')
    fs.mkdirSync(results, { recursive: true })
    fs.writeFileSync(path.join(results, 'reopen.json'), `${JSON.stringify({ date: new Date().toISOString(), machine: machine(folder), header, rounds, passed }, undefined, 1)}\n`)
    fs.writeFileSync(path.join(results, 'reopen.md'), `# Opening after a kill\n\n${header}\n\n\`\`\`\n${text}\n\`\`\`\n\n${verdict}\n`)
    console.log('Written: results/reopen.json, results/reopen.md')
    return passed ? 0 : 1
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
