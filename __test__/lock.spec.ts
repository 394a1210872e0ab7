// One writer at a time, in a process and across processes; readers beside it.
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import test from 'ava'
import { Index } from '../index.ts'
import { ended, freshPath, rejects, runFixture } from './helpers.ts'

test('a second writer in the same process', async (t) => {
  const path = freshPath(t)
  const first = await Index.open(path, { dimensions: 2 })
  const error = await rejects(t, Index.open(path), 'E_LOCKED')
  t.true(error.message.includes(path))
  await rejects(t, Index.open(path, { dimensions: 2 }), 'E_LOCKED')
  await first.add([{ id: 1, vector: [1, 2] }])
  await first.close()
  const second = await Index.open(path)
  t.is(second.size, 1)
  await second.close()
})

test('a second writer in another process, and one after it was killed', async (t) => {
  const path = freshPath(t)
  mkdirSync(path, { recursive: true })
  const child = runFixture(t, 'hold.ts', [path])
  const done = ended(child)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  t.is(await new Promise((resolve) => lines.once('line', resolve)), 'open')
  await rejects(t, Index.open(path), 'E_LOCKED')
  child.kill('SIGKILL')
  await done
  // The lock goes with the process.
  const index = await Index.open(path, { dimensions: 2 })
  await index.add([{ id: 1, vector: [1, 2] }])
  await index.close()
})

test('two opens at once: one of them gets it', async (t) => {
  const path = freshPath(t)
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => Index.open(path, { dimensions: 2 })))
  const opened = outcomes.filter((one) => one.status === 'fulfilled')
  t.is(opened.length, 1)
  for (const one of outcomes) if (one.status === 'rejected') t.is(one.reason.code, 'E_LOCKED')
  await Promise.all(opened.map((one) => one.value.close()))
})

test('a failed open leaves no lock behind', async (t) => {
  const path = freshPath(t)
  const index = await Index.open(path, { dimensions: 2 })
  await index.add([{ id: 1, vector: [1, 2] }])
  await index.close()
  for (let i = 0; i < 3; i++) await rejects(t, Index.open(path, { dimensions: 3 }), 'E_ARGUMENT', /dimensions/)
  const again = await Index.open(path)
  t.is(again.size, 1)
  await again.close()
})

test('readers need no lock, see what was flushed, and write nothing', async (t) => {
  const path = freshPath(t)
  const writer = await Index.open(path, { dimensions: 2, metric: 'l2' })
  await writer.add([{ id: 1, vector: [1, 0] }])
  await writer.flush()
  const reader = await Index.open(path, { readOnly: true })
  const other = await Index.open(path, { readOnly: true })
  await writer.add([{ id: 2, vector: [2, 0] }])
  await writer.delete([1])
  t.deepEqual([...reader.ids()], [1], 'it serves the checkpoint that it opened')
  await writer.flush()
  t.deepEqual(reader.searchSync([0, 0]), [{ id: 1, distance: 1 }])
  t.deepEqual(await reader.get([1]), [{ id: 1, vector: Float32Array.of(1, 0) }])
  const newer = await Index.open(path, { readOnly: true })
  t.deepEqual([...newer.ids()], [2])
  for (const index of [reader, newer]) {
    await rejects(t, index.add([{ id: 3, vector: [3, 0] }]), 'E_READ_ONLY')
    await rejects(t, index.delete([1]), 'E_READ_ONLY')
    await rejects(t, index.train(), 'E_READ_ONLY')
    await rejects(t, index.optimize(), 'E_READ_ONLY')
    await rejects(t, index.flush(), 'E_READ_ONLY')
    t.is(index.size, 1)
  }
  await Promise.all([reader.close(), other.close(), newer.close(), writer.close()])
})

test('a reader of nothing', async (t) => {
  await rejects(t, Index.open(freshPath(t), { readOnly: true }), 'E_NOT_FOUND')
  await rejects(t, Index.open(freshPath(t), { dimensions: 2, readOnly: true }), 'E_NOT_FOUND')
})
