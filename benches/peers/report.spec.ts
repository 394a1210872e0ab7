import test from 'ava'
import { curve, type EngineResult, front, type Point, qpsAt, ratios, speedOf, summary, worthMeasuring } from './report.ts'
import { distance, recall } from './sets.ts'
import { plot } from './svg.ts'

const point = (ef: number, found: number, qps: number, threads = 1): Point => ({ effort: { ef }, threads, recall: found, qps, cpuQps: qps * 2 })

const result = (engine: string, points: Point[]): EngineResult =>
  ({ engine, ours: engine.startsWith('our'), built: { seconds: 1.5, cpuSeconds: 2.25, memory: 5e6, note: '' }, beside: 2e6, points })

test('rounds become one point an effort and number of threads: the median, recall ascending', (t) => {
  const swept = curve([point(20, 0.95, 500), point(10, 0.9, 900), point(10, 0.9, 1100), point(10, 0.9, 100), point(20, 0.95, 700), point(10, 0.9, 1600, 2)])
  t.deepEqual(swept, [point(10, 0.9, 900), point(10, 0.9, 1600, 2), point(20, 0.95, 500)])
})

test('efforts of several dimensions are told apart by all of them', (t) => {
  const of = (probes: number, rerank: number, qps: number): Point => ({ ...point(0, 0.9, qps), effort: { probes, rerank } })
  t.is(curve([of(1, 2, 10), of(2, 1, 20), of(1, 2, 10)]).length, 2)
})

test('the front holds what nothing beats in recall and speed at once, for each way to count speed', (t) => {
  const beaten = point(3, 0.9, 400)
  const fast = point(1, 0.8, 1000)
  const middle = point(2, 0.92, 500)
  const slow = { ...point(4, 0.99, 100), cpuQps: 5000 }
  t.deepEqual(front([beaten, slow, middle, fast], 'qps'), [fast, middle, slow])
  t.deepEqual(front([beaten, slow, middle, fast], 'cpuQps'), [slow])
  t.deepEqual(front([], 'qps'), [])
  // of a random cloud: exactly the points that a comparison of all pairs leaves
  let state = 7
  const random = () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
  const cloud = Array.from({ length: 200 }, (_, ef) => point(ef, random(), 1 + random()))
  const left = cloud.filter((a) => !cloud.some((b) => b !== a && b.recall >= a.recall && b.qps >= a.qps))
  t.deepEqual(front(cloud, 'qps'), left.toSorted((a, b) => a.recall - b.recall))
})

test('the speed at a recall lies between its neighbours on the front, on a logarithmic scale, and nowhere beyond it', (t) => {
  const swept = [point(10, 0.9, 1000), point(15, 0.91, 50), point(20, 0.98, 100)]
  t.is(qpsAt(0.8, swept, 'qps'), 1000)
  t.is(qpsAt(0.9, swept, 'qps'), 1000)
  t.true(Math.abs((qpsAt(0.94, swept, 'qps') as number) - Math.sqrt(1000 * 100)) < 1e-9)
  t.true(Math.abs((qpsAt(0.94, swept, 'cpuQps') as number) - Math.sqrt(2000 * 200)) < 1e-9)
  t.is(qpsAt(0.99, swept, 'qps'), undefined)
})

test('one thread and all threads are curves of their own', (t) => {
  const swept = result('our', [point(10, 0.9, 100), point(20, 0.99, 50), point(10, 0.9, 700, 8), point(20, 0.99, 300, 8)])
  t.is(speedOf(swept, { one: true, speed: 'cpuQps' }, 0.9), 200)
  t.is(speedOf(swept, { one: false, speed: 'qps' }, 0.9), 700)
})

test('an effort is worth measuring on the front, from the last before 0.8 on, unless it hardly differs from the one before', (t) => {
  const trial = [point(1, 0.3, 9000), point(2, 0.7, 5000), point(3, 0.84, 1000), point(4, 0.85, 990), point(5, 0.84, 500), point(6, 0.99, 100), point(7, 0.9905, 90)]
  t.deepEqual(worthMeasuring(trial), [{ ef: 2 }, { ef: 3 }, { ef: 6 }, { ef: 7 }])
  t.deepEqual(worthMeasuring([point(1, 0.3, 9000), point(2, 0.7, 5000)]), [{ ef: 2 }])
  t.deepEqual(worthMeasuring([]), [])
})

test('the tables name every engine, and the best of ours over the best of the others', (t) => {
  const results = [
    result('our slow', [point(1, 0.95, 100)]),
    result('our fast', [point(1, 0.95, 300)]),
    result('their slow', [point(1, 0.99, 50)]),
    result('their fast', [point(1, 0.92, 200), point(2, 0.96, 200)]),
  ]
  const [one] = ratios(results).split('\n').filter((line) => line.includes('processor'))
  t.deepEqual(one?.split('|').slice(2, -1).map((cell) => cell.trim()), ['1.50 (our fast; their fast)', '1.50 (our fast; their fast)', '-'])
  const text = summary(results)
  t.regex(text, /\| our slow +\| +200 \| +200 \| +- \| +0\.9500 \|/)
  t.regex(text, /\| our fast +\| +1\.5 \| +2\.3 \| +5 \| +2 \|/)
})

test('recall counts rows as near as the true tenth, once each', (t) => {
  // one dimension pair; rows 0 ... 11 at distance row^2, row 10 as far as row 9
  const place = (row: number) => (row === 10 ? 9 : row)
  const base = Float32Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? place(i / 2) : 0))
  const set = { name: 'line', metric: 'l2' as const, dimensions: 2, base, queries: Float32Array.of(0, 0), truth: Uint32Array.from({ length: 10 }, (_, row) => row) }
  t.is(distance(set, 0, 3), 9)
  t.is(recall(set, [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]), 1)
  t.is(recall(set, [[0, 1, 2, 3, 4, 5, 6, 7, 8, 10]]), 1)
  t.is(recall(set, [[0, 1, 2, 3, 4, 5, 6, 7, 8, 11]]), 0.9)
  t.is(recall(set, [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), 0.1)
})

test('a distance is whole unless it is beyond the limit', (t) => {
  const dimensions = 100
  const set = { metric: 'l2' as const, dimensions, base: new Float32Array(dimensions).fill(3), queries: new Float32Array(dimensions).fill(1) }
  t.is(distance(set, 0, 0), 400)
  t.is(distance(set, 0, 0, 400), 400)
  t.true(distance(set, 0, 0, 399) > 399)
  t.true(distance(set, 0, 0, 10) > 10)
})

test('the plot holds every engine once in its legend, and no point off its panel', (t) => {
  const lines = [{ name: 'a<b', points: [point(1, 0.7, 9000), point(10, 0.9, 900), point(20, 0.99, 90)] }, { name: 'c', points: [point(10, 0.95, 50)] }]
  const svg = plot([{ title: 'one', axis: 'speed', lines }, { title: 'two', axis: 'speed', lines }])
  t.is(svg.match(/>a&lt;b</g)?.length, 1)
  const centres = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map((match) => [Number(match[1]), Number(match[2])] as const)
  t.is(centres.length, 6)
  t.true(centres.every(([x, y]) => x >= 70 && x <= 500 && y >= 40 && y <= 350))
})

test('no two of twenty-eight engines look the same in the plot', (t) => {
  const lines = Array.from({ length: 28 }, (_, n) => ({ name: `engine ${n}`, points: [point(10, 0.9, 900 + n)] }))
  const svg = plot([{ title: 'one', axis: 'speed', lines }])
  const looks = [...svg.matchAll(/<polyline [^>]*?(stroke="[^>]*)\/>/g)].map((match) => match[1])
  t.is(new Set(looks).size, 28)
})
