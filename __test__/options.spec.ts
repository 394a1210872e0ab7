// Options: every one is checked, unknown ones are named, defaults are filled in.
import { availableParallelism } from 'node:os'
import test from 'ava'
import { Index, type IndexOptions } from '../index.ts'
import { freshPath, range, rejects } from './helpers.ts'

test('defaults are filled in', (t) => {
  const { options } = new Index({ dimensions: 8 })
  t.is(options.dimensions, 8)
  t.is(options.metric, 'cosine')
  t.is(options.coarse, 'auto')
  t.is(options.codes, 'auto')
  t.is(options.vectors, 'memory')
  t.is(options.precision, 'f32')
  t.deepEqual(options.hnsw, { m: 16, efConstruction: 200 })
  t.deepEqual(options.ivf, {})
  t.is(options.durability, 'sync')
  t.is(options.threads, availableParallelism())
  t.true(Object.isFrozen(options))
})

test('options are shown as asked', (t) => {
  const asked: IndexOptions = {
    dimensions: 24,
    metric: 'l2',
    coarse: 'hnsw',
    codes: { type: 'pq', bytes: 6, rotate: false },
    vectors: 'memory',
    precision: 'f16',
    hnsw: { m: 8, efConstruction: 50 },
    durability: 'os',
    threads: 1,
    seed: 2 ** 53 - 1,
  }
  t.like(new Index(asked).options, asked)
  t.deepEqual(new Index({ dimensions: 9, codes: { type: 'pq', bytes: 3 } }).options.codes, { type: 'pq', bytes: 3, rotate: true })
  t.deepEqual(new Index({ dimensions: 9, codes: { type: 'rabitq' } }).options.codes, { type: 'rabitq', bits: 8 })
  for (const bits of range(8).map((i) => i + 1)) {
    t.deepEqual(new Index({ dimensions: 9, codes: { type: 'rabitq', bits } }).options.codes, { type: 'rabitq', bits })
  }
  t.is(new Index({ dimensions: 9, codes: 'sq4' }).options.codes, 'sq4')
  t.deepEqual(new Index({ dimensions: 9, hnsw: { m: 4 } }).options.hnsw, { m: 4, efConstruction: 200 })
  t.like(new Index({ dimensions: 9, coarse: 'ivf', ivf: { lists: 3 } }).options, { coarse: 'ivf', ivf: { lists: 3 } })
  for (const lists of [1, 2 ** 20]) t.deepEqual(new Index({ dimensions: 1, coarse: 'ivf', ivf: { lists } }).options.ivf, { lists })
})

test('undefined is as good as left out', (t) => {
  const { options } = new Index({ dimensions: 3, metric: undefined, codes: undefined, hnsw: undefined, ivf: undefined, memory: undefined })
  t.is(options.metric, 'cosine')
})

const wrong: [string, unknown, RegExp][] = [
  ['no options', undefined, /options/],
  ['null', null, /options/],
  ['an array', [], /options/],
  ['no dimensions', {}, /dimensions/],
  ['dimensions 0', { dimensions: 0 }, /dimensions.*1.*4096.*0/],
  ['dimensions 4097', { dimensions: 4097 }, /dimensions.*4097/],
  ['dimensions 1.5', { dimensions: 1.5 }, /dimensions.*1\.5/],
  ['dimensions NaN', { dimensions: Number.NaN }, /dimensions.*NaN/],
  ['dimensions "3"', { dimensions: '3' }, /dimensions.*"3"/],
  ['an unknown option', { dimensions: 3, efConstruction: 3 }, /efConstruction/],
  ['an unknown hnsw option', { dimensions: 3, hnsw: { M: 3 } }, /hnsw.*"M"/],
  ['an unknown pq option', { dimensions: 3, codes: { type: 'pq', bytes: 1, bits: 8 } }, /codes.*"bits"/],
  ['readOnly in the constructor', { dimensions: 3, readOnly: true }, /readOnly/],
  ['metric', { dimensions: 3, metric: 'euclidean' }, /metric.*"euclidean"/],
  ['coarse', { dimensions: 3, coarse: 'tree' }, /coarse.*"tree"/],
  ['codes', { dimensions: 3, codes: 'sq16' }, /codes.*"sq16"/],
  ['codes of no type', { dimensions: 3, codes: {} }, /codes/],
  ['pq without bytes', { dimensions: 3, codes: { type: 'pq' } }, /bytes/],
  ['pq bytes 0', { dimensions: 3, codes: { type: 'pq', bytes: 0 } }, /bytes.*0/],
  ['pq bytes above dimensions', { dimensions: 3, codes: { type: 'pq', bytes: 4 } }, /bytes.*4/],
  ['pq rotate', { dimensions: 3, codes: { type: 'pq', bytes: 1, rotate: 1 } }, /rotate.*1/],
  ['rabitq bits 0', { dimensions: 3, codes: { type: 'rabitq', bits: 0 } }, /codes\.bits.*1.*8.*0/],
  ['rabitq bits 1.5', { dimensions: 3, codes: { type: 'rabitq', bits: 1.5 } }, /codes\.bits.*1.*8.*1\.5/],
  ['rabitq bits 9', { dimensions: 3, codes: { type: 'rabitq', bits: 9 } }, /codes\.bits.*1.*8.*9/],
  ['rabitq bits "8"', { dimensions: 3, codes: { type: 'rabitq', bits: '8' } }, /codes\.bits.*"8"/],
  ['an unknown rabitq option', { dimensions: 3, codes: { type: 'rabitq', bytes: 8 } }, /codes.*"bytes"/],
  ['vectors', { dimensions: 3, vectors: 'gpu' }, /vectors.*"gpu"/],
  ['vectors on disk without a path', { dimensions: 3, vectors: 'disk' }, /open/],
  ['precision', { dimensions: 3, precision: 'f64' }, /precision.*"f64"/],
  ['hnsw', { dimensions: 3, hnsw: 16 }, /hnsw.*16/],
  ['m 1', { dimensions: 3, hnsw: { m: 1 } }, /m .*1/],
  ['efConstruction 0', { dimensions: 3, hnsw: { efConstruction: 0 } }, /efConstruction.*0/],
  ['ivf', { dimensions: 3, ivf: 16 }, /ivf.*16/],
  ['an unknown ivf option', { dimensions: 3, ivf: { nlist: 3 } }, /ivf.*"nlist"/],
  ['lists 0', { dimensions: 3, coarse: 'ivf', ivf: { lists: 0 } }, /ivf\.lists.*1.*1048576.*0/],
  ['lists -1', { dimensions: 3, ivf: { lists: -1 } }, /ivf\.lists.*-1/],
  ['lists 1.5', { dimensions: 3, ivf: { lists: 1.5 } }, /ivf\.lists.*1\.5/],
  ['lists "3"', { dimensions: 3, ivf: { lists: '3' } }, /ivf\.lists.*"3"/],
  ['lists null', { dimensions: 3, ivf: { lists: null } }, /ivf\.lists.*null/],
  ['lists above 2^20', { dimensions: 3, ivf: { lists: 2 ** 20 + 1 } }, /ivf\.lists.*1048577/],
  ['durability', { dimensions: 3, durability: 'none' }, /durability.*"none"/],
  ['threads 0', { dimensions: 3, threads: 0 }, /threads.*0/],
  ['threads -1', { dimensions: 3, threads: -1 }, /threads.*-1/],
  ['seed 0.5', { dimensions: 3, seed: 0.5 }, /seed.*0\.5/],
  ['seed 2^53', { dimensions: 3, seed: 2 ** 53 }, /seed/],
  ['io', { dimensions: 3, io: 'mmap' }, /io.*"mmap"/],
]

for (const [what, options, message] of wrong) {
  test(`refused: ${what}`, async (t) => {
    await rejects(t, () => new Index(options as IndexOptions), 'E_ARGUMENT', message)
    const ofTheConstructor = ['no options', 'no dimensions', 'readOnly in the constructor', 'vectors on disk without a path']
    if (!ofTheConstructor.includes(what)) await rejects(t, Index.open(freshPath(t), options as IndexOptions), 'E_ARGUMENT')
  })
}

const later: [string, object][] = [
  ['memory', { memory: 1e9 }],
  ["io 'io_uring'", { io: 'io_uring' }],
]

for (const [what, options] of later) {
  test(`not in this version: ${what}`, async (t) => {
    await rejects(t, () => new Index({ dimensions: 3, ...options }), 'E_ARGUMENT', /not in this version/)
    await rejects(t, Index.open(freshPath(t), { dimensions: 3, ...options }), 'E_ARGUMENT', /not in this version/)
  })
}

test("io may be 'auto' or 'pread'", (t) => {
  t.notThrows(() => new Index({ dimensions: 3, io: 'auto' }))
  t.notThrows(() => new Index({ dimensions: 3, io: 'pread' }))
})

test('the path of open is checked', async (t) => {
  for (const path of [undefined, null, 3, '', 'a\0b']) {
    await rejects(t, Index.open(path as string, { dimensions: 3 }), 'E_ARGUMENT', /path/)
  }
  await rejects(t, Index.open(freshPath(t), { dimensions: 3, readOnly: 'yes' as never }), 'E_ARGUMENT', /readOnly.*"yes"/)
})

const searchOptions: [string, object, RegExp][] = [
  ['k 0', { k: 0 }, /k .*0/],
  ['k -1', { k: -1 }, /k .*-1/],
  ['k 1.5', { k: 1.5 }, /k .*1\.5/],
  ['k NaN', { k: Number.NaN }, /k .*NaN/],
  ['k "10"', { k: '10' }, /k .*"10"/],
  ['k null', { k: null }, /k .*null/],
  ['ef 0', { ef: 0 }, /ef .*0/],
  ['probes 0', { probes: 0 }, /probes .*0/],
  ['probes -1', { probes: -1 }, /probes .*-1/],
  ['probes 1.5', { probes: 1.5 }, /probes .*1\.5/],
  ['probes "3"', { probes: '3' }, /probes .*"3"/],
  ['rerank 0', { rerank: 0 }, /rerank .*0/],
  ['threads 0', { threads: 0 }, /threads .*0/],
  ['include', { include: 'vector' }, /include.*"vector"/],
  ['include of what there is not', { include: ['vectors'] }, /include.*"vectors"/],
  ['signal', { signal: {} }, /signal/],
  ['an unknown option', { K: 3 }, /"K"/],
  ['recall 0', { recall: 0 }, /recall .*0/],
  ['recall 1', { recall: 1 }, /recall .*1/],
  ['recall NaN', { recall: Number.NaN }, /recall .*NaN/],
  ['recall "high"', { recall: 'high' }, /recall .*"high"/],
  ['recall with ef', { recall: 0.9, ef: 10 }, /recall.*ef/],
  ['recall with rerank', { recall: 0.9, rerank: 10 }, /recall.*rerank/],
  ['recall with probes', { recall: 0.9, probes: 10 }, /recall.*probes/],
  ['filter', { filter: { a: 1 } }, /filter.*not in this version/],
  ['fusion', { fusion: 0.5 }, /fusion.*not in this version/],
  ['feedback', { feedback: { method: 'average' } }, /feedback.*not in this version/],
  ['adapter', { adapter: true }, /adapter.*not in this version/],
]

for (const [what, options, message] of searchOptions) {
  test(`search refuses ${what}`, async (t) => {
    const index = new Index({ dimensions: 2 })
    await index.add([{ id: 1, vector: [1, 2] }])
    await rejects(t, index.search([1, 2], options), 'E_ARGUMENT', message)
    await rejects(t, () => index.searchSync([1, 2], options), 'E_ARGUMENT', message)
    await rejects(t, index.searchBatch([[1, 2]], options), 'E_ARGUMENT', message)
    t.is(index.searchSync([1, 2]).length, 1)
    await index.close()
  })
}

test('other methods check their options too', async (t) => {
  const index = new Index({ dimensions: 2 })
  await rejects(t, index.add([], { Signal: 1 } as never), 'E_ARGUMENT', /"Signal"/)
  await rejects(t, index.add([], { onProgress: 1 } as never), 'E_ARGUMENT', /onProgress/)
  await rejects(t, index.add([], { signal: 1 } as never), 'E_ARGUMENT', /signal/)
  await rejects(t, index.get([], { include: ['id'] } as never), 'E_ARGUMENT', /include/)
  await rejects(t, index.get([], { with: 1 } as never), 'E_ARGUMENT', /"with"/)
  await rejects(t, index.optimize({ signal: null } as never), 'E_ARGUMENT', /signal/)
  await rejects(t, index.train({ sample: 0 }), 'E_ARGUMENT', /sample/)
  await rejects(t, index.train({ queries: [] } as never), 'E_ARGUMENT', /"queries"/)
  await index.close()
})

test('methods of later versions say so', async (t) => {
  const index = new Index({ dimensions: 2 })
  await rejects(t, index.import('x.npy'), 'E_ARGUMENT', /not in this version/)
  await index.close()
})
