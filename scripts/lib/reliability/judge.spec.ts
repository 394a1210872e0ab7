// The judge of the reliability rows finds what it is there for: planted losses, holes and wrong answers.
import test from 'ava'
import { judge } from './judge.mjs'
import { mix } from './random.mjs'
import { apply, CONFIGS, idsOf, operation } from './workload.mjs'

type Id = string | number
interface Item { id: Id; vector: Float32Array; metadata?: unknown }
type Stored = Map<Id, Item>

const life = { seed: 5, config: CONFIGS.find(({ name }) => name === 'graph') }
const GENERATION = 3

/** What an index holds after the operations `which`. */
function after(which: number[]): Stored {
  const origins = new Map<Id, { n: number; i: number }>()
  for (const n of which) apply(origins, operation(life, GENERATION, n), GENERATION, n)
  return new Map(Array.from(origins, ([id, { n, i }]) => [id, { ...(operation(life, GENERATION, n) as { items: Item[] }).items[i] as Item }]))
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)
const run = { generation: GENERATION, acked: 30, issued: 40 }
const verdict = (stored: Stored, given = run) => judge(life, new Map(), given, stored, new Map())
const kinds = (stored: Stored) => verdict(stored).findings.map(({ kind }: { kind: string }) => kind)
const isBatch = (n: number) => (operation(life, GENERATION, n).items?.length ?? 0) > 5
const firstBatch = (from: number) => upTo(40).find((n) => n >= from && isBatch(n)) as number

test('every prefix between what was acknowledged and what was started passes', (t) => {
  for (let n = 30; n <= 40; n++) {
    const { findings, prefix } = verdict(after(upTo(n)))
    t.deepEqual(findings, [], `${n} operations`)
    t.true(prefix <= n)
  }
})

test('an acknowledged operation that is missing is a loss, wherever it was', (t) => {
  for (const n of upTo(30).filter(isBatch)) {
    t.deepEqual(kinds(after(upTo(40).filter((one) => one !== n))).filter((kind: string) => kind === 'lost'), ['lost'], `operation ${n}`)
  }
  t.deepEqual(kinds(new Map()), ['lost'])
})

test('a delete that came undone is a loss', (t) => {
  const stored = after(upTo(30))
  const n = upTo(30).findLast((one) => operation(life, GENERATION, one).kind === 'delete' && idsOf(operation(life, GENERATION, one)).some((id: Id) => after(upTo(one)).has(id) && !stored.has(id))) as number
  const id = idsOf(operation(life, GENERATION, n)).find((one: Id) => after(upTo(n)).has(one) && !stored.has(one)) as Id
  stored.set(id, after(upTo(n)).get(id) as Item)
  t.deepEqual(kinds(stored), ['lost'])
})

test('an operation left out from the middle of those under way is a hole, and so is half a batch', (t) => {
  const n = firstBatch(30)
  t.deepEqual(kinds(after(upTo(40).filter((one) => one !== n))), ['holes'])
  const [before, whole] = [after(upTo(n)), after(upTo(n + 1))]
  const changed = [...whole.keys()].find((id) => before.get(id)?.vector !== whole.get(id)?.vector) as Id
  const former = before.get(changed)
  if (former) whole.set(changed, former)
  else whole.delete(changed)
  t.deepEqual(kinds(whole), ['holes'])
})

test('a row that nobody wrote, of another id, with a changed value or other metadata is wrong', (t) => {
  const change = (alter: (item: Item, stored: Stored) => void) => {
    const stored = after(upTo(30))
    const item = [...stored.values()].find(({ metadata }) => metadata) as Item
    item.vector = item.vector.slice()
    alter(item, stored)
    return kinds(stored)
  }
  t.deepEqual(change((item) => { item.vector[7] = -(item.vector[7] as number) }), ['wrong'])
  t.deepEqual(change((item) => { item.vector[1] = 40 }), ['wrong'])
  t.deepEqual(change((item) => { item.vector[0] = 0.5 }), ['wrong'])
  t.deepEqual(change((item) => { item.metadata = undefined }), ['wrong'])
  t.deepEqual(change((item, stored) => { stored.set('another', { ...item, id: 'another' }) }), ['wrong'])
})

test('a delete that gives another number than were there is wrong', (t) => {
  const deletes = upTo(30).filter((n) => operation(life, GENERATION, n).kind === 'delete')
  const right = new Map(deletes.map((n) => [n, idsOf(operation(life, GENERATION, n)).filter((id: Id, i: number, all: Id[]) => all.indexOf(id) === i && after(upTo(n)).has(id)).length]))
  t.deepEqual(verdict(after(upTo(30)), { ...run, counts: right } as typeof run).findings, [])
  const [first] = deletes as [number]
  const wrong = new Map(right).set(first, (right.get(first) as number) + 1)
  t.deepEqual(verdict(after(upTo(30)), { ...run, counts: wrong } as typeof run).findings.map(({ kind }: { kind: string }) => kind), ['wrong'])
})

test('neighbouring seeds give different plans', (t) => {
  const numbers = upTo(1000).map((n) => mix(1, n))
  t.is(new Set(numbers).size, 1000)
  t.notDeepEqual(operation(life, 0, 5), operation({ ...life, seed: 6 }, 0, 5))
  t.deepEqual(operation(life, 0, 5), operation(life, 0, 5))
})
