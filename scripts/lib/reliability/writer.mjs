// A process that opens an index, says what is in it, and writes until somebody stops it. Its only argument is a plan (JSON):
//   directory, logBytes, life: { seed, config }
//   generation, limit   the operations to carry out, and how many at most
//   tolerant, stop      rejected ones are told and not fatal; how many of them are enough
//   end                 'close', or 'exit' without closing
//   copy                a path: verify, save a snapshot there, and say what that and the closed index hold
import { isDeepStrictEqual } from 'node:util'
import { Index } from 'bigrain'
import { send } from './frames.mjs'
import { handed, operation } from './workload.mjs'

const plan = JSON.parse(process.argv[2])
const { life, generation } = plan
const PAGE = 512

/** What went wrong, for the parent. A failure without a code is a bug of this program or of the package. */
const failure = (error) => ({ code: error?.code ?? 'none', message: String(error?.message ?? error), stack: error?.code ? undefined : error?.stack })

/** Says everything that an index holds, a page a message. */
async function tell(index, where) {
  const ids = [...index.ids()]
  for (let at = 0; at < ids.length; at += PAGE) send({ type: 'items', where, items: await index.get(ids.slice(at, at + PAGE)) })
  send({ type: 'told', where, size: index.size, checked: await checkReads(index, ids) })
}

/** Distances of stored rows to themselves are 0, and nothing is nearer, where every row is compared. */
const { coarse, codes, metric } = life.config.open
const exact = coarse !== 'hnsw' && codes !== 'sq8' && metric === 'l2'

/** What has, ids, get and search disagree on, asked for a few items. */
async function checkReads(index, ids) {
  if (new Set(ids).size !== ids.length || ids.length !== index.size) return `${ids.length} ids, ${new Set(ids).size} different, size ${index.size}`
  for (const id of [ids[0], ids[ids.length >> 1], ids.at(-1)].slice(0, ids.length)) {
    if (!index.has(id)) return `has(${JSON.stringify(id)}) is false for one of ids()`
    const [item] = await index.get([id])
    const [hit] = await index.search(item.vector, { k: 1, include: ['vector', 'metadata'], ef: 300, rerank: 300 })
    if (exact && !(hit.distance === 0)) return `a search for the row of ${JSON.stringify(id)} gave ${JSON.stringify(hit.id)} at ${hit.distance}`
    const [same] = await index.get([hit.id])
    if (!isDeepStrictEqual([same.vector, same.metadata], [hit.vector, hit.metadata])) return `search and get differ on ${JSON.stringify(hit.id)}`
  }
  return undefined
}

async function carryOut(index, one) {
  if (one.kind === 'flush') return await index.flush()
  if (one.kind === 'optimize') return await index.optimize()
  if (one.kind === 'delete') return await index.delete(one.ids)
  return await index.add(handed(one))
}

/** Writes from several callers at once. Operations are started in their order, each as soon as a caller is free. */
async function write(index) {
  let next = 0
  let rejected = 0
  const caller = async () => {
    while (next < plan.limit && rejected < (plan.stop ?? plan.limit)) {
      const n = next++
      const one = operation(life, generation, n)
      if (one.kind === 'flush' || one.kind === 'optimize') send({ type: one.kind, n })
      try {
        const count = await carryOut(index, one)
        send({ type: 'ack', n, count })
      } catch (error) {
        send({ type: 'rejected', n, next, kind: one.kind, ...failure(error) })
        if (!plan.tolerant) return
        rejected++
      }
    }
  }
  await Promise.all(Array.from({ length: life.config.callers }, caller))
}

async function open(options, path = plan.directory) {
  send({ type: 'opening' })
  const started = performance.now()
  const index = await Index.open(path, options)
  send({ type: 'open', ms: performance.now() - started })
  return index
}

/** Says what an index opened to read holds, and what `verify` has to say of it. */
async function tellCopy(path, where) {
  const reader = await open({ readOnly: true }, path)
  await tell(reader, where)
  await sound(reader, where)
  await reader.close()
}

async function sound(index, where) {
  const { ok, problems } = await index.verify()
  if (!ok || problems.length > 0) send({ type: 'unsound', where, message: problems.join('; ') })
}

try {
  const index = await open({ ...life.config.open, ...(plan.logBytes && { logBytes: plan.logBytes }), threads: 2 })
  await tell(index, 'opened')
  if (plan.limit > 0) {
    await write(index)
    if (plan.tolerant) await tell(index, 'written')
  }
  if (plan.end === 'exit') process.exit(0)
  if (plan.copy) {
    await sound(index, 'opened')
    await index.snapshot(plan.copy)
    await tellCopy(plan.copy, 'copy')
  }
  send({ type: 'closing' })
  await index.close().then(() => send({ type: 'closed' }), (error) => send({ type: 'unclosed', ...failure(error) }))
  if (plan.copy) await tellCopy(plan.directory, 'again')
} catch (error) {
  send({ type: 'failed', ...failure(error) })
}
