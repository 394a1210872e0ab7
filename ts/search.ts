// A search's options and queries, checked once and brought into the addon's form.
import type { NativeFailure } from '#native'
import { checkInteger, checkNames } from './check.ts'
import { BigrainError, badArgument, fromNative, notYet, show, unreadable } from './errors.ts'
import { Signal } from './signal.ts'
import type { SearchOptions, Vector } from './types.ts'
import { copyVector, isVector, newBlock, ownBlock, toVector } from './vectors.ts'

const NAMES = ['k', 'recall', 'ef', 'probes', 'rerank', 'filter', 'fusion', 'feedback', 'adapter', 'include', 'threads', 'signal']
const MAX_U32 = 2 ** 32 - 1

/** Bits of what a hit or item carries. */
export const METADATA = 1
export const VECTOR = 2

/** How to search. 0 stands for what was not given. */
export interface PackedSearch {
  k: number
  ef: number
  probes: number
  rerank: number
  recall: number
  include: number
  threads: number
  signal: Signal | undefined
}

const PLAIN: PackedSearch = { k: 10, ef: 0, probes: 0, rerank: 0, recall: 0, include: 0, threads: 0, signal: undefined }

export function packSearch(given: SearchOptions | undefined): PackedSearch {
  if (given === undefined) return PLAIN
  checkNames('search options', given, NAMES)
  if (given.recall !== undefined && (given.ef ?? given.probes ?? given.rerank) !== undefined) {
    throw badArgument('search option recall chooses the effort, so it cannot be given together with ef, probes or rerank')
  }
  later('filter', given.filter)
  later('fusion', given.fusion)
  later('feedback', given.feedback)
  later('adapter', given.adapter)
  return {
    k: count('k', given.k) || PLAIN.k,
    ef: count('ef', given.ef),
    probes: count('probes', given.probes),
    rerank: count('rerank', given.rerank),
    recall: target(given.recall),
    include: packInclude(given.include) ?? 0,
    threads: count('threads', given.threads),
    signal: Signal.of(given.signal),
  }
}

function later(name: string, given: unknown): void {
  if (given !== undefined) throw notYet(`search option ${name}`)
}

/** A count has no upper limit: what is above any index is brought down to what 32 bits hold. */
function count(name: string, given: unknown): number {
  if (given === undefined) return 0
  if (Number.isInteger(given) && (given as number) > MAX_U32) return MAX_U32
  return checkInteger(`search option ${name}`, given, 1) as number
}

/** Hits for which there always is room. */
export const USUAL = 1024
const usual = new Float64Array(1 + 2 * USUAL)

/**
 * The words in which a search goes to the addon, with room for up to `room` hits on the way back. They are read there, and here,
 * before anything else can run, so that one array serves all searches.
 */
export function packWords(asked: PackedSearch, token: number, room = 0): Float64Array {
  const words = room <= USUAL ? usual : new Float64Array(1 + 2 * room)
  words[0] = token
  words[1] = asked.k
  words[2] = asked.ef
  words[3] = asked.probes
  words[4] = asked.rerank
  words[5] = asked.recall
  words[6] = asked.include
  words[7] = asked.threads
  return words
}

/** A recall to reach: more than nothing, and less than all, which an index cannot know to have found. */
function target(given: unknown): number {
  if (given === undefined) return 0
  if (typeof given === 'number' && given > 0 && given < 1) return given
  throw badArgument(`search option recall must be a number between 0 and 1, not ${show(given)}`)
}

export function packInclude(given: unknown): number | undefined {
  if (given === undefined) return undefined
  if (!Array.isArray(given)) throw badArgument(`include must be an array of 'metadata' and 'vector', not ${show(given)}`)
  let bits = 0
  for (const name of given) {
    if (name === 'metadata') bits |= METADATA
    else if (name === 'vector') bits |= VECTOR
    else throw badArgument(`include takes 'metadata' and 'vector', not ${show(name)}`)
  }
  return bits
}

/** One query: the vector that finds, and the one that verifies where it is another. */
export interface PackedQuery {
  candidates: Float32Array
  verify: Float32Array | undefined
}

/** Reads a query. The values of typed arrays are left to the addon to check, unless `thorough`. */
export function packQuery(given: unknown, dimensions: number, thorough = false): PackedQuery {
  if (isVector(given)) return { candidates: toVector(given, dimensions, 'query', thorough), verify: undefined }
  if (typeof given !== 'object' || given === null) {
    throw badArgument(`query must be a vector or an object with a vector, not ${show(given)}`)
  }
  checkNames('query', given, ['vector', 'candidates', 'verify', 'sparse', 'text'])
  const { vector, candidates, verify, sparse, text } = given as Record<string, unknown>
  if (sparse !== undefined) throw notYet('query.sparse')
  if (text !== undefined) throw notYet('query.text')
  if (candidates === undefined && verify === undefined) {
    return { candidates: toVector(vector, dimensions, 'query.vector', thorough), verify: undefined }
  }
  if (vector !== undefined && candidates !== undefined && verify !== undefined) {
    throw badArgument('query has candidates and verify, so its vector would not be used')
  }
  const pick = (own: unknown, name: string) => {
    if (own !== undefined) return toVector(own, dimensions, `query.${name}`, thorough)
    if (vector === undefined) throw badArgument(`query needs ${name}, or a vector for that side`)
    return toVector(vector, dimensions, 'query.vector', thorough)
  }
  return { candidates: pick(candidates, 'candidates'), verify: pick(verify, 'verify') }
}

/** What a search was asked for, in the order in which its errors are looked for. */
export function readSearch(query: unknown, options: SearchOptions | undefined, dimensions: number): { asked: PackedSearch; packed: PackedQuery } {
  try {
    return { asked: packSearch(options), packed: packQuery(query, dimensions) }
  } catch (error) {
    throw unreadable(error)
  }
}

/** The error of a query that the addon refused: it knows no argument's name, so the query is looked at again. */
export function refused(failure: NativeFailure, query: unknown, dimensions: number): BigrainError {
  try {
    packQuery(query, dimensions, true)
  } catch (error) {
    return unreadable(error)
  }
  return fromNative(failure)
}

/** Many queries as one block of rows. The values of a given block are checked by the engine, off this thread. */
export function packQueries(given: Float32Array | readonly Vector[], dimensions: number): Float32Array {
  if (given instanceof Float32Array) {
    if (given.length % dimensions === 0) return ownBlock(given)
    const problem = `queries has ${given.length} values, which is not a multiple of the index's ${dimensions} dimensions`
    throw new BigrainError('E_DIMENSIONS', problem)
  }
  if (!Array.isArray(given)) throw badArgument(`queries must be a Float32Array or an array of vectors, not ${show(given)}`)
  const block = newBlock(given.length, dimensions)
  for (let i = 0; i < given.length; i++) copyVector(given[i], dimensions, block, i, 'queries[]')
  return block
}
