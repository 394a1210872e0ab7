// The data sets of the comparison: the same rows, queries and true neighbours for every engine, saved as flat files.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { glove, holdOut, mnist, readF32, sample, take } from '../../scripts/lib/data.mjs'
import { makeOnce } from '../../scripts/lib/packages.mjs'
import { dataDir, Explained, must } from '../../scripts/lib/run.mjs'
import { makeVenv } from './venv.ts'

export const K = 10
const SEED = 20_240_601

/** A set as the engines get it. */
export interface DataSet {
  name: string
  metric: 'cosine' | 'l2'
  dimensions: number
  /** row-major; of unit length where the metric is cosine */
  base: Float32Array
  queries: Float32Array
  /** K row numbers a query, nearest first, by a scan in 64-bit floats */
  truth: Uint32Array
}

interface Raw {
  metric: 'cosine' | 'l2'
  dimensions: number
  base: Float32Array
  queries: Float32Array
}

/** Brings every row to length 1, so that inner product and cosine are the same order and each peer may use its faster one. */
function normalised(rows: Float32Array, dimensions: number): Float32Array {
  const out = new Float32Array(rows.length)
  for (let start = 0; start < rows.length; start += dimensions) {
    const row = rows.subarray(start, start + dimensions)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    for (let i = 0; i < dimensions; i++) out[start + i] = (row[i] as number) / length
  }
  return out
}

/**
 * A set that a Python program of data/ makes once, from Debian's packages and PyPI's: its folder. The program gets a folder
 * for the result and one for what it downloads, which is kept until it is done, so that it can go on where it was stopped.
 */
function makeByPython(name: string, program: string, requirements: readonly (readonly [requirement: string, module: string])[]): Promise<string> {
  return makeOnce(name, async (to: string) => {
    const venv = await makeVenv(path.join(dataDir, 'venv'))
    if (typeof venv === 'string') throw new Explained(`${name} needs Python: ${venv}`)
    for (const [requirement, module] of requirements) {
      const reason = await venv.install(requirement, module)
      if (reason) throw new Explained(`${name} needs ${requirement}: ${reason}`)
    }
    const cache = path.join(dataDir, 'downloads', name)
    fs.mkdirSync(cache, { recursive: true })
    await must(venv.python, [path.join(path.dirname(fileURLToPath(import.meta.url)), 'data', program), to, cache])
    fs.rmSync(cache, { recursive: true })
  })
}

const readBytes = (file: string): Float32Array => Float32Array.from(fs.readFileSync(file))

const MAKERS: Record<string, (queries: number) => Promise<Raw>> = {
  'glove-100': async (queries) => {
    const { words, vectors, dimensions } = await glove()
    const unit = normalised(vectors, dimensions)
    const { held, rest } = holdOut(words.length, queries, SEED)
    return { metric: 'cosine', dimensions, base: take(unit, dimensions, rest), queries: take(unit, dimensions, held) }
  },
  'mnist-784': async (queries) => {
    const { train, test, dimensions } = await mnist()
    return { metric: 'l2', dimensions, base: train, queries: take(test, dimensions, sample(test.length / dimensions, queries, SEED)) }
  },
  'debian-minilm-384': async (queries) => {
    const dimensions = 384
    const folder = await makeByPython('debian-minilm-384', 'debian.py', [
      ['numpy', 'numpy'], ['onnx', 'onnx'], ['onnxruntime==1.32.0', 'onnxruntime'], ['tokenizers==0.23.3', 'tokenizers'], ['safetensors==0.8.0', 'safetensors'],
    ])
    return { metric: 'cosine', dimensions, base: readF32(path.join(folder, 'base.f32')), queries: readF32(path.join(folder, 'queries.f32')).subarray(0, queries * dimensions) }
  },
  'sift-1m': async (queries) => {
    const dimensions = 128
    const folder = await makeByPython('sift-1m', 'sift.py', [['numpy', 'numpy'], ['opencv-python-headless==5.0.0.93', 'cv2']])
    return { metric: 'l2', dimensions, base: readBytes(path.join(folder, 'base.u8')), queries: readBytes(path.join(folder, 'queries.u8')).subarray(0, queries * dimensions) }
  },
}

export const setNames = Object.keys(MAKERS)

/** Distance in 64-bit floats: squared L2, or minus the inner product of unit rows. A squared L2 beyond `limit` may come out as any number beyond it. */
export function distance(set: Pick<Raw, 'metric' | 'dimensions' | 'base' | 'queries'>, query: number, row: number, limit = Number.POSITIVE_INFINITY): number {
  const { base, queries, dimensions } = set
  const [q, b] = [query * dimensions, row * dimensions]
  let [even, odd] = [0, 0] // two sums, so that an addition need not wait for the one before
  if (set.metric === 'l2') {
    for (let i = 0; i < dimensions; i += 2) {
      const x = (queries[q + i] as number) - (base[b + i] as number)
      const y = (queries[q + i + 1] as number) - (base[b + i + 1] as number)
      even += x * x
      odd += y * y
      if (i % 32 === 30 && even + odd > limit) break // most rows of a million are far away, and soon seen to be
    }
    return even + odd
  }
  for (let i = 0; i < dimensions; i += 2) {
    even += (queries[q + i] as number) * (base[b + i] as number)
    odd += (queries[q + i + 1] as number) * (base[b + i + 1] as number)
  }
  return -(even + odd)
}

/** The K nearest rows of one query, by looking at every row; of equal distances the lower row number first. */
function nearest(set: Raw, query: number): number[] {
  const best: { row: number; distance: number }[] = []
  const rows = set.base.length / set.dimensions
  for (let row = 0; row < rows; row++) {
    const limit = best.length === K ? (best[K - 1]?.distance ?? 0) : Number.POSITIVE_INFINITY
    const d = distance(set, query, row, limit)
    if (d >= limit) continue
    const after = best.findIndex((other) => other.distance > d)
    best.splice(after < 0 ? best.length : after, 0, { row, distance: d })
    best.length = Math.min(best.length, K)
  }
  return best.map(({ row }) => row)
}

const bytesOf = (array: Float32Array | Uint32Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)

/** Makes the files of a set where they are not there yet. Returns their folder. */
export function prepareSet(name: string, queries: number): Promise<string> {
  const maker = MAKERS[name]
  if (!maker) throw new Error(`no data set ${name}; there are ${setNames.join(', ')}`)
  return makeOnce(`bench-${name}-${queries}`, async (to: string) => {
    const raw = await maker(queries)
    console.log(`${name}: finding the true neighbours of ${queries} queries in 64-bit floats (once) ...`)
    const truth = new Uint32Array(queries * K)
    for (let query = 0; query < queries; query++) truth.set(nearest(raw, query), query * K)
    fs.writeFileSync(path.join(to, 'base.f32'), bytesOf(raw.base))
    fs.writeFileSync(path.join(to, 'queries.f32'), bytesOf(raw.queries))
    fs.writeFileSync(path.join(to, 'truth.u32'), bytesOf(truth))
    fs.writeFileSync(path.join(to, 'set.json'), JSON.stringify({ name, metric: raw.metric, dimensions: raw.dimensions }))
  })
}

export function loadSet(folder: string): DataSet {
  const truth = fs.readFileSync(path.join(folder, 'truth.u32'))
  return {
    ...JSON.parse(fs.readFileSync(path.join(folder, 'set.json'), 'utf8')),
    base: readF32(path.join(folder, 'base.f32')),
    queries: readF32(path.join(folder, 'queries.f32')),
    truth: new Uint32Array(truth.buffer.slice(truth.byteOffset, truth.byteOffset + truth.length)),
  }
}

/**
 * recall@10 of an engine's answers. A row counts where its own distance in 64-bit floats is no larger than the true
 * tenth's (a 1e-6 part of it granted), so that equal distances are worth the same whichever an engine takes; a row
 * given twice counts once.
 */
export function recall(set: DataSet, answers: readonly (readonly number[])[]): number {
  let right = 0
  answers.forEach((rows, query) => {
    const tenth = distance(set, query, set.truth[query * K + K - 1] as number)
    const limit = tenth + Math.abs(tenth) * 1e-6
    right += new Set(rows.slice(0, K).filter((row) => distance(set, query, row) <= limit)).size
  })
  return right / (answers.length * K)
}
