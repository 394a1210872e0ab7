// The options of an index: checked, brought into the addon's form, and back.
import { availableParallelism } from 'node:os'
import type { NativeOptions } from '#native'
import { checkBoolean, checkInteger, checkNames, checkOneOf } from './check.ts'
import { badArgument, notYet, show } from './errors.ts'
import type { Codes, IndexOptions, OpenOptions } from './types.ts'

const NAMES = [
  'dimensions', 'metric', 'coarse', 'codes', 'vectors', 'precision', 'hnsw', 'ivf', 'durability', 'threads', 'seed', 'memory', 'io',
  'logBytes',
]
const MAX_DIMENSIONS = 4096
const MAX_LINKS = 128
const MAX_EF_CONSTRUCTION = 65_536
const MAX_LISTS = 2 ** 20
const MAX_THREADS = 1024
const MIN_LOG_BYTES = 4096

/** The options of the constructor. */
export function packOptions(given: unknown): NativeOptions {
  checkNames('options', given, NAMES)
  const options = pack(given as Partial<IndexOptions>)
  if (options.dimensions === undefined) throw badArgument('options.dimensions must be given: an integer of 1 to 4096')
  if (options.vectors === 'disk') throw badArgument("options.vectors 'disk' needs a path: use Index.open(path, options)")
  return options
}

/** The options of `open`. */
export function packOpenOptions(given: unknown): { options: NativeOptions; readOnly: boolean } {
  checkNames('options', given, [...NAMES, 'readOnly'])
  const { readOnly } = given as OpenOptions
  return { options: pack(given as OpenOptions), readOnly: checkBoolean('options.readOnly', readOnly) ?? false }
}

function pack(given: Partial<IndexOptions>): NativeOptions {
  if (given.memory !== undefined) throw notYet('options.memory')
  if (given.io === 'io_uring') throw notYet("options.io 'io_uring'")
  checkOneOf('options.io', given.io, ['auto', 'pread'])
  const hnsw = given.hnsw ?? {}
  checkNames('options.hnsw', hnsw, ['m', 'efConstruction'])
  const ivf = given.ivf ?? {}
  checkNames('options.ivf', ivf, ['lists'])
  const dimensions = checkInteger('options.dimensions', given.dimensions, 1, MAX_DIMENSIONS)
  return {
    dimensions,
    metric: checkOneOf('options.metric', given.metric, ['cosine', 'dot', 'l2']),
    coarse: checkOneOf('options.coarse', given.coarse, ['auto', 'flat', 'hnsw', 'ivf']),
    ...packCodes(given.codes, dimensions),
    vectors: checkOneOf('options.vectors', given.vectors, ['memory', 'disk']),
    precision: checkOneOf('options.precision', given.precision, ['f32', 'f16', 'i8']),
    m: checkInteger('options.hnsw.m', hnsw.m, 2, MAX_LINKS),
    efConstruction: checkInteger('options.hnsw.efConstruction', hnsw.efConstruction, 1, MAX_EF_CONSTRUCTION),
    lists: checkInteger('options.ivf.lists', ivf.lists, 1, MAX_LISTS),
    durability: checkOneOf('options.durability', given.durability, ['sync', 'os']),
    threads: checkInteger('options.threads', given.threads, 1, MAX_THREADS),
    seed: checkInteger('options.seed', given.seed, 0),
    logBytes: checkInteger('options.logBytes', given.logBytes, MIN_LOG_BYTES),
  }
}

function packCodes(given: unknown, dimensions = MAX_DIMENSIONS): Pick<NativeOptions, 'codes' | 'pqBytes' | 'pqRotate' | 'rabitqBits'> {
  if (typeof given !== 'object' || given === null) {
    const wanted = ['auto', 'none', 'sq8', 'sq4', 'binary'] as const
    if (given === undefined || wanted.includes(given as 'auto')) return { codes: given as string | undefined }
    throw badArgument(`options.codes must be 'auto', 'none', 'sq8', 'sq4', 'binary', { type: 'rabitq' } or { type: 'pq', bytes }, not ${show(given)}`)
  }
  const { type, bytes, rotate, bits } = given as { type?: unknown; bytes?: unknown; rotate?: unknown; bits?: unknown }
  if (type === 'rabitq') {
    checkNames('options.codes', given, ['type', 'bits'])
    const rabitqBits = checkInteger('options.codes.bits', bits, 1, 8) ?? 8
    return { codes: 'rabitq', rabitqBits }
  }
  if (type !== 'pq') throw badArgument(`options.codes.type must be 'pq' or 'rabitq', not ${show(type)}`)
  checkNames('options.codes', given, ['type', 'bytes', 'rotate'])
  const pqBytes = checkInteger('options.codes.bytes', bytes, 1, dimensions)
  if (pqBytes === undefined) throw badArgument('options.codes.bytes must be given: an integer of 1 to dimensions')
  return { codes: 'pq', pqBytes, pqRotate: checkBoolean('options.codes.rotate', rotate) ?? true }
}

/** The options of an index as its `options` shows them: as asked, defaults filled in. */
export function unpackOptions(options: NativeOptions): IndexOptions {
  return Object.freeze({
    dimensions: options.dimensions as number,
    metric: options.metric as IndexOptions['metric'],
    coarse: options.coarse as IndexOptions['coarse'],
    codes: unpackCodes(options),
    vectors: options.vectors as IndexOptions['vectors'],
    precision: options.precision as IndexOptions['precision'],
    hnsw: Object.freeze({ m: options.m, efConstruction: options.efConstruction }),
    ivf: Object.freeze(options.lists === undefined || options.lists === null ? {} : { lists: options.lists }),
    durability: options.durability as IndexOptions['durability'],
    threads: options.threads || availableParallelism(),
    seed: options.seed,
    logBytes: options.logBytes,
    io: 'auto',
  })
}

export function unpackCodes(given: Pick<NativeOptions, 'codes' | 'pqBytes' | 'pqRotate' | 'rabitqBits'>): Codes {
  if (given.codes === 'rabitq') return Object.freeze({ type: 'rabitq', bits: given.rabitqBits as number })
  if (given.codes !== 'pq') return given.codes as Codes
  return Object.freeze({ type: 'pq', bytes: given.pqBytes as number, rotate: given.pqRotate as boolean })
}
