// What an index says of itself.
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { Index } from '../index.ts'
import { clustered, freshPath, range, row } from './helpers.ts'

test('an empty index', async (t) => {
  const index = new Index({ dimensions: 4 })
  const stats = index.stats()
  t.is(stats.size, 0)
  t.is(stats.deleted, 0)
  t.is(stats.unlinked, 0)
  t.deepEqual(stats.disk, { vectors: 0, log: 0, checkpoint: 0, total: 0 })
  t.deepEqual(stats.reads, { vectors: 0, bytes: 0 })
  t.true(['scalar', 'neon', 'avx2', 'avx512'].includes(stats.simd))
  t.is(typeof stats.io, 'string')
  await index.close()
})

test('sizes follow what is written', async (t) => {
  const [n, dimensions] = [3000, 32]
  const index = await Index.open(freshPath(t), { dimensions, codes: 'sq8', coarse: 'hnsw', vectors: 'memory' })
  const vectors = clustered(n, dimensions, 1)
  await index.add({ ids: range(n), vectors, metadata: range(n).map((i) => ({ i })) })
  await index.optimize()
  await index.delete(range(100))
  const { size, deleted, unlinked, chosen, memory } = index.stats()
  t.is(size, n - 100)
  t.is(deleted, 100)
  t.is(unlinked, 0)
  t.deepEqual(chosen, { coarse: 'hnsw', codes: 'sq8' })
  t.true(memory.vectors >= n * dimensions * 4)
  t.true(memory.codes >= n * dimensions)
  t.true(memory.graph > n * 16 * 4)
  t.true(memory.ids > 0)
  t.true(memory.metadata > n * 5)
  t.true(memory.total >= memory.codes + memory.graph + memory.vectors + memory.ids + memory.metadata)

  await index.optimize()
  t.is(index.stats().deleted, 0, 'optimize reclaims tombstones')
  t.true(index.stats().memory.vectors <= memory.vectors)
  await index.flush()
  const { disk } = index.stats()
  t.true(disk.vectors >= (n - 100) * dimensions * 4)
  t.true(disk.checkpoint > 0)
  t.is(disk.total, disk.vectors + disk.log + disk.checkpoint)
  t.is(index.searchSync(row(vectors, 500, dimensions), { k: 1 })[0]?.id, 500)
  await index.close()
})

test('pq codes take the bytes that were asked for', async (t) => {
  const [n, dimensions] = [5000, 32]
  const index = new Index({ dimensions, codes: { type: 'pq', bytes: 8 }, coarse: 'hnsw' })
  await index.add({ ids: range(n), vectors: clustered(n, dimensions, 1) })
  await index.optimize()
  const { chosen, memory } = index.stats()
  t.deepEqual(chosen.codes, { type: 'pq', bytes: 8, rotate: true })
  const codeBook = 256 * dimensions * 4 + dimensions * dimensions * 4
  t.true(memory.codes >= 8 * n)
  t.true(memory.codes <= 2 * 8 * n + 2 * codeBook + 65_536, `${memory.codes} bytes`)
  await index.close()
})

test('disk is what the files of the directory take', async (t) => {
  const directory = freshPath(t)
  const rows = clustered(3000, 8, 5)
  const index = await Index.open(directory, { dimensions: 8, coarse: 'hnsw', codes: 'sq8' })
  const sizes = () => readdirSync(directory).map((name) => ({ name, bytes: statSync(path.join(directory, name)).size }))
  for (const part of range(3)) {
    await index.add({ ids: range(1000, part * 1000), vectors: rows.subarray(part * 8000, part * 8000 + 8000) })
    if (part < 2) await index.flush()
    const { disk } = index.stats()
    const of = (kind: RegExp) => sizes().filter(({ name }) => kind.test(name)).reduce((sum, { bytes }) => sum + bytes, 0)
    t.is(disk.vectors, of(/^rows-/))
    t.is(disk.log, of(/^log-/))
    t.is(disk.total, of(/^(?!LOCK)/))
  }
  await index.close()
})
