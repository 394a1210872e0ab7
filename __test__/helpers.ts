// What the tests share: seeded data, a float64 brute force, temporary directories, child processes.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { BigrainError, type Code, type Hit, type Id, type Index, type Metric } from '../index.ts'

export type Random = () => number

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function random(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A normal number (Box-Muller). */
export function normal(next: Random): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

/** `n` rows in clusters, as embeddings are: a centre each, and noise a third as wide. */
export function clustered(n: number, dimensions: number, seed: number, clusters = 40): Float32Array {
  const next = random(seed)
  const centres = Float32Array.from({ length: clusters * dimensions }, () => normal(next))
  const rows = new Float32Array(n * dimensions)
  for (let row = 0; row < n; row++) {
    const centre = Math.floor(next() * clusters)
    for (let j = 0; j < dimensions; j++) {
      rows[row * dimensions + j] = (centres[centre * dimensions + j] as number) + normal(next) / 3
    }
  }
  return rows
}

export function row(rows: Float32Array, i: number, dimensions: number): Float32Array {
  return rows.subarray(i * dimensions, (i + 1) * dimensions)
}

export function range(n: number, from = 0): number[] {
  return Array.from({ length: n }, (_, i) => from + i)
}

/** The distance of the public contract, in float64. */
export function distance(metric: Metric, a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0
  let aa = 0
  let bb = 0
  let l2 = 0
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number
    const y = b[i] as number
    dot += x * y
    aa += x * x
    bb += y * y
    l2 += (x - y) ** 2
  }
  if (metric === 'l2') return l2
  return metric === 'dot' ? 1 - dot : 1 - dot / Math.sqrt(aa * bb)
}

/** Numbers before texts, numbers by value, texts by UTF-8 bytes. */
export function compareIds(a: Id, b: Id): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return typeof a === 'number' ? -1 : 1
}

export type Stored = ReadonlyMap<Id, ArrayLike<number>>

/** Every row by (distance, id). */
export function bruteForce(metric: Metric, stored: Stored, query: ArrayLike<number>): { id: Id; distance: number }[] {
  return Array.from(stored, ([id, vector]) => ({ id, distance: distance(metric, query, vector) })).sort(
    (a, b) => a.distance - b.distance || compareIds(a.id, b.id),
  )
}

/** Asserts that `hits` are the nearest `k`: each id where the truth's distances differ by more than 1e-6 relative. */
export function assertExact(t: ExecutionContext, hits: readonly Hit[], truth: { id: Id; distance: number }[], k: number): void {
  t.is(hits.length, Math.min(k, truth.length))
  const near = (a: number, b: number) => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b)) + 1e-9
  const distances = new Map(truth.map((hit) => [hit.id, hit.distance]))
  const wrong = hits.filter((hit, i) => {
    const expected = truth[i] as { id: Id; distance: number }
    if (!near(hit.distance, distances.get(hit.id) ?? Number.NaN)) return true
    return hit.id !== expected.id && !near(hit.distance, expected.distance)
  })
  t.deepEqual(wrong, [], 'hits that are not where float64 puts them')
  t.is(new Set(hits.map((hit) => hit.id)).size, hits.length, 'an id was given twice')
}

/** The share of the nearest `k` that was found, over all queries. */
export function recall(found: readonly (readonly Id[])[], truth: readonly (readonly Id[])[]): number {
  let hits = 0
  let all = 0
  found.forEach((ids, i) => {
    const wanted = new Set(truth[i])
    hits += ids.filter((id) => wanted.has(id)).length
    all += wanted.size
  })
  return hits / all
}

/** The stored rows of an index, by its own `get`. */
export async function storedRows(index: Index): Promise<Map<Id, Float32Array>> {
  const items = await index.get([...index.ids()], { include: ['vector'] })
  return new Map(items.map((item) => [item?.id as Id, item?.vector as Float32Array]))
}

/** Asserts that a promise rejects, or a function throws, with a `BigrainError` of that code; gives the error. */
export async function rejects(
  t: ExecutionContext,
  work: Promise<unknown> | (() => unknown),
  code: Code,
  message?: RegExp,
): Promise<BigrainError> {
  let error: unknown
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (caught) {
    error = caught
  }
  if (!(error instanceof BigrainError)) {
    t.fail(`wanted ${code}, got ${error === undefined ? 'no error' : String(error)}`)
    throw new Error('unreachable: t.fail throws')
  }
  t.is(error.code, code, error.message)
  t.is(error.name, code === 'E_ABORTED' ? 'AbortError' : 'BigrainError')
  if (message) t.regex(error.message, message)
  return error
}

/** A path in a new directory that is removed after the test. Nothing is at the path. */
export function freshPath(t: ExecutionContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'bigrain-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return path.join(directory, 'index')
}

export const REGISTER = ['--import', '@oxc-node/core/register']
const ROOT = path.join(import.meta.dirname, '..')

/** A file of `fixtures/`. */
export function fixture(name: string): string {
  return path.join(import.meta.dirname, 'fixtures', name)
}

/** Runs a fixture in a process of its own. It ends with the test at the latest. */
export function runFixture(t: ExecutionContext, name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, stdio: 'pipe' } as const
  const child = spawn(process.execPath, [...REGISTER, fixture(name), ...args], options)
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

export interface Ended {
  code: number | null
  signal: string | null
  stdout: string
  stderr: string
}

/** Waits until a process has ended. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => (stdout += chunk))
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('close', (code, signal) => resolve([code, signal]))
  })
  return { code, signal, stdout, stderr }
}
