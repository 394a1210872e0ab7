// Row `leaks`: opening and closing, and every method called many times, leave no memory and no open file behind.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '../run.mjs'
import { table, whole } from '../table.mjs'
import { Tally } from './tally.mjs'

/** Cycles of open, add, search and close. */
export const CYCLES = 1000

/** Bytes by which a process may have grown between a fifth of the calls and the last one, the last four fifths made again if need be. */
export const GROWTH = 8 << 20

/** What this machine keeps in memory, so that a sync costs nothing: the calls are measured, not the disk. */
const inMemory = '/dev/shm'

/**
 * Makes the calls in a process of its own. `told` is called for each method as it is done.
 * @param {{ calls: number, cycles?: number, only?: number }} options only: one method, by its number
 * @returns {Promise<{ name: string, calls: number, growth: number, files?: number, ms: number }[]>}
 */
export async function leaking({ calls, cycles = CYCLES, only }, told = () => {}) {
  const directory = fs.mkdtempSync(path.join(fs.existsSync(inMemory) ? inMemory : os.tmpdir(), 'bigrain-leaks-'))
  const program = path.join(root, 'scripts', 'lib', 'reliability', 'leaking.mjs')
  // V8 and the allocator keep room for what may come, by how busy a process was: as little as they let themselves be told.
  const args = ['--expose-gc', '--max-semi-space-size=1', program, JSON.stringify({ calls, cycles, directory, only, most: GROWTH })]
  const env = { ...process.env, MALLOC_ARENA_MAX: '2' }
  const found = []
  try {
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout }).on('line', (line) => {
      found.push(JSON.parse(line))
      told(found.at(-1))
    })
    const [code, signal] = await new Promise((resolve) => { child.once('close', (...how) => resolve(how)) })
    if (code !== 0) throw new Error(`the process that makes the calls ended with ${signal ?? code}, after ${found.at(-1)?.name ?? 'nothing'}`)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
  return found
}

/**
 * What is wrong with what a method left behind, if anything.
 * @param {{ name: string, calls: number, growth: number, files?: number }} found
 */
export function leak({ name, calls, growth, files }) {
  if (growth > GROWTH) return { kind: 'leaks', what: `${name}: ${whole(growth)} bytes in ${whole(0.8 * calls)} calls` }
  if (files > 0) return { kind: 'files', what: `${name}: ${files} files are still open` }
  return undefined
}

/** The figures, for people. */
export const figures = (found) => table([
  ['method', 'calls', 'KiB more', 'files more', 'us a call'],
  ...found.map(({ name, calls, growth, files, ms }) => [name, whole(calls), whole(growth / 1024), String(files ?? '-'), whole((1000 * ms) / calls)]),
])

/**
 * @param {{ count: number, seed: number, only?: number }} options count: calls of each method; only: one of them, by its number
 * @returns {Promise<number>} the exit code
 */
export async function leaks({ count, seed, only }) {
  const tally = new Tally('leaks', seed, ['leaks', 'files'])
  const found = await leaking({ calls: count, only }, ({ name, calls, ms }) => console.error(`leaks: ${name}, ${whole(calls)} calls in ${(ms / 1000).toFixed(0)} s`))
  for (const one of found) {
    const wrong = leak(one)
    if (wrong) tally.found(wrong.kind, wrong.what, `npm run reliability -- leaks --count ${count}`)
  }
  console.error(figures(found))
  return tally.close(found.reduce((sum, { calls }) => sum + calls, 0), `calls (${whole(count)} of each method, ${whole(CYCLES)} times open and close)`)
}
