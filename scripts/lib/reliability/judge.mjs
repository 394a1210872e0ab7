// Whether what an index holds can be what a killed writer left: an exact prefix of its operations that has every acknowledged one.
import { isDeepStrictEqual } from 'node:util'
import { apply, idsOf, operation, originOf } from './workload.mjs'

const sameOrigin = (a, b) => a?.generation === b?.generation && a?.n === b?.n && a?.i === b?.i
const show = (origin) => (origin ? `item ${origin.i} of operation ${origin.n} of generation ${origin.generation}` : 'nothing')

/** Operations of a life, each made once. */
export function operationsOf(life) {
  const made = new Map()
  return (generation, n) => {
    const key = `${generation} ${n}`
    if (!made.has(key)) made.set(key, operation(life, generation, n))
    return made.get(key)
  }
}

/** Bit for bit: 0 and -0 differ, as they do in a file. */
const sameRow = (a, b) => Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.byteLength), Buffer.from(b.buffer, b.byteOffset, b.byteLength)) === 0

/** What is wrong with a stored item by itself, if anything: it must be one that was written, whole. */
function flaw(of, { id, vector, metadata }, issued) {
  const origin = originOf(vector)
  const written = [origin.generation, origin.n, origin.i].every((part) => Number.isInteger(part) && part >= 0) && origin.n < (issued.get(origin.generation) ?? 0)
  if (!written) return `${JSON.stringify(id)} holds a row that was never written: ${show(origin)}`
  const item = of(origin.generation, origin.n).items?.[origin.i]
  if (!item || item.id !== id) return `${JSON.stringify(id)} holds the row of another id: ${show(origin)}`
  if (!sameRow(item.vector, vector)) return `${JSON.stringify(id)} holds another vector than ${show(origin)}`
  if (!isDeepStrictEqual(item.metadata, metadata)) return `${JSON.stringify(id)} holds other metadata than ${show(origin)}`
  return undefined
}

/** Says which promise a state breaks that is no prefix: an acknowledged operation is missing, or one from the middle of those under way. */
function blame(of, run, acknowledged, actual) {
  const possible = new Map() // ids of operations under way, with what those may have left there
  for (let n = run.acked; n < run.issued; n++) {
    const one = of(run.generation, n)
    for (const id of idsOf(one)) possible.set(id, possible.get(id) ?? [])
    if (one.kind === 'delete') for (const id of one.ids) possible.get(id).push(undefined)
    one.items?.forEach(({ id }, i) => possible.get(id).push({ generation: run.generation, n, i }))
  }
  for (const id of new Set([...acknowledged.keys(), ...actual.keys()])) {
    const [wanted, got] = [acknowledged.get(id), actual.get(id)]
    if (sameOrigin(wanted, got) || possible.get(id)?.some((origin) => sameOrigin(origin, got))) continue
    return { kind: 'lost', what: `${JSON.stringify(id)} holds ${show(got)}; acknowledged was ${show(wanted)}` }
  }
  return { kind: 'holes', what: `every acknowledged operation is there, but no prefix between ${run.acked} and ${run.issued} operations gives this state` }
}

/**
 * @param {object} life seed and configuration
 * @param {Map} base what was there before the run, by origin
 * @param {{ generation: number, acked: number, issued: number, counts?: Map<number, number> }} run
 *   acked: operations up to the last one acknowledged; issued: those that may have been started; counts: what deletes gave
 * @param {Map} stored id -> item, as an index gave it
 * @param {Map<number, number>} issued of each generation, how many operations may be seen
 * @returns {{ state: Map, prefix: number, findings: { kind: string, what: string }[] }} state: what is there now, by origin
 */
export function judge(life, base, run, stored, issued) {
  const of = operationsOf(life)
  const findings = []
  const found = (kind, what) => findings.push({ kind, what })
  const allowed = new Map(issued).set(run.generation, run.issued)
  const actual = new Map()
  const flaws = []
  for (const item of stored.values()) {
    const what = flaw(of, item, allowed)
    if (what) flaws.push(what)
    actual.set(item.id, originOf(item.vector))
  }
  if (flaws.length > 0) found('wrong', `${flaws[0]} (and ${flaws.length - 1} more like it)`)
  const state = new Map(base)
  for (let n = 0; n < run.acked; n++) {
    const gone = apply(state, of(run.generation, n), run.generation, n)
    const given = run.counts?.get(n)
    if (given !== undefined && given !== gone) found('wrong', `delete ${n} of generation ${run.generation} gave ${given}, and ${gone} were there`)
  }
  const acknowledged = new Map(state)
  const different = new Set()
  const compare = (id) => (sameOrigin(state.get(id), actual.get(id)) ? different.delete(id) : different.add(id))
  for (const id of new Set([...state.keys(), ...actual.keys()])) compare(id)
  let prefix = run.acked
  while (different.size > 0 && prefix < run.issued) {
    const next = of(run.generation, prefix)
    apply(state, next, run.generation, prefix++)
    idsOf(next).forEach(compare)
  }
  if (different.size > 0 && findings.length === 0) {
    const { kind, what } = blame(of, run, acknowledged, actual)
    found(kind, `${what} (generation ${run.generation}, ${run.acked} acknowledged, ${run.issued} issued, ${stored.size} items)`)
  }
  return { state: different.size > 0 ? actual : state, prefix, findings }
}
