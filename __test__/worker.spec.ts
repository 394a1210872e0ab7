// Worker threads: an index in each, and workers that end with calls running.
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { Index } from '../index.ts'
import { clustered, fixture, freshPath, range, REGISTER, rejects } from './helpers.ts'

function start(t: ExecutionContext, task: string, path = ''): Worker {
  const worker = new Worker(fixture('worker.ts'), { workerData: { task, path }, execArgv: REGISTER })
  t.teardown(() => worker.terminate())
  return worker
}

async function message(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the worker ended (${code}) without a message`)))
  })
}

async function exit(worker: Worker): Promise<number> {
  return new Promise((resolve) => worker.once('exit', resolve))
}

test('an index in each of several workers', async (t) => {
  const workers = range(3).map(() => start(t, 'search'))
  const here = new Index({ dimensions: 16 })
  await here.add({ ids: range(500), vectors: clustered(500, 16, 1) })
  const expected = await here.search(new Float32Array(16).fill(1))
  const exits = Promise.all(workers.map(exit))
  t.deepEqual(await Promise.all(workers.map(message)), [expected, expected, expected])
  t.deepEqual(await exits, [0, 0, 0], 'they end by themselves')
  await here.close()
})

test('workers that are stopped with calls running leave the process whole', async (t) => {
  for (let round = 0; round < 3; round++) {
    const worker = start(t, 'busy')
    t.is(await message(worker), 'busy')
    t.is(await worker.terminate(), 1)
  }
  const index = new Index({ dimensions: 4 })
  await index.add([{ id: 1, vector: [1, 2, 3, 4] }])
  t.is((await index.search([1, 2, 3, 4]))[0]?.id, 1)
  await index.close()
})

test('a worker that ends gives its lock back', async (t) => {
  const path = freshPath(t)
  const worker = start(t, 'hold', path)
  t.is(await message(worker), 'held')
  await rejects(t, Index.open(path), 'E_LOCKED')
  await worker.terminate()
  // Its thread finishes what it is at before the lock goes.
  const index = await openWhenFree(path)
  t.is(index.options.dimensions, 4)
  await index.close()
})

async function openWhenFree(path: string): Promise<Index> {
  for (const deadline = Date.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    try {
      return await Index.open(path)
    } catch (error) {
      if ((error as { code: string }).code !== 'E_LOCKED' || Date.now() > deadline) throw error
    }
  }
}
