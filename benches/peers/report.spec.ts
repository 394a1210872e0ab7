import test from 'ava'
import { curve, qpsAt, summary } from './report.ts'
import { distance, recall } from './sets.ts'
import { plot } from './svg.ts'

const point = (ef: number, found: number, qps: number) => ({ ef, recall: found, qps, cpuQps: qps * 2 })

test('rounds become one point an effort: the median, efforts ascending', (t) => {
  const swept = curve([point(20, 0.95, 500), point(10, 0.9, 900), point(10, 0.9, 1100), point(10, 0.9, 100), point(20, 0.95, 700)])
  t.deepEqual(swept, [point(10, 0.9, 900), point(20, 0.95, 500)])
})

test('the speed at a recall lies between its neighbours, on a logarithmic scale', (t) => {
  const swept = [point(10, 0.9, 1000), point(20, 0.98, 100)]
  t.is(qpsAt(0.8, swept), 1000)
  t.is(qpsAt(0.9, swept), 1000)
  t.true(Math.abs((qpsAt(0.94, swept) as number) - Math.sqrt(1000 * 100)) < 1e-9)
  t.true(Math.abs((qpsAt(0.94, swept, 'cpuQps') as number) - Math.sqrt(2000 * 200)) < 1e-9)
  t.is(qpsAt(0.99, swept), undefined)
  t.regex(summary([{ engine: 'one', built: { buildSeconds: 1, memory: 2e6, note: '' }, points: swept }]), /one +1,000 +\d+ +- +0\.9800 +1\.0 +2/)
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

test('the plot holds every engine once in its legend, and no point off its panel', (t) => {
  const lines = [{ name: 'a<b', points: [point(1, 0.7, 9000), point(10, 0.9, 900), point(20, 0.99, 90)] }, { name: 'c', points: [point(10, 0.95, 50)] }]
  const svg = plot([{ title: 'one', lines }, { title: 'two', lines }])
  t.is(svg.match(/>a&lt;b</g)?.length, 1)
  const centres = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map((match) => [Number(match[1]), Number(match[2])] as const)
  t.is(centres.length, 6)
  t.true(centres.every(([x, y]) => x >= 70 && x <= 500 && y >= 40 && y <= 350))
})
