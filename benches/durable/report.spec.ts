import test from 'ava'
import { goalLines, goals, type Measured, median, speeds } from './report.ts'

const one = (engine: string, workload: Measured['workload'], durability: Measured['durability'], ...rates: number[]): Measured =>
  ({ engine, workload, durability, rounds: rates.map((rowsPerSecond) => ({ rowsPerSecond, call: 1000 / rowsPerSecond })) })

test('the median of an even number of rounds is the lower middle', (t) => {
  t.is(median([3, 1, 2]), 2)
  t.is(median([4, 1, 2, 3]), 2)
})

test('a goal is against the better peer of the same durability, by medians', (t) => {
  const measured = [
    one('bigrain', 'batches', 'os', 100, 300, 200), one('sqlite-vec', 'batches', 'os', 150), one('LanceDB', 'batches', 'os', 100),
    one('bigrain', 'batches', 'sync', 100), one('sqlite-vec', 'batches', 'sync', 100), one('plain sqlite', 'batches', 'sync', 900),
    one('bigrain', 'single', 'sync', 96), one('sqlite-vec', 'single', 'sync', 100),
    one('bigrain', 'single', 'os', 1), one('sqlite-vec', 'single', 'os', 100), // no goal: it waits for no device
  ]
  const reached = goals(measured)
  t.deepEqual(reached.map(({ ratio, met }) => [ratio, met]), [[0.96, true], [1, false], [200 / 150, true]])
  t.regex(goalLines(reached), /MISSED 1\.00 \(above 1\): batches of 1,000 rows, one after the other, 'sync', against sqlite-vec\n/)
})

test('an engine that does not sync is shown beside those that do, and says so', (t) => {
  const text = speeds([one('bigrain', 'single', 'sync', 100), one('bigrain', 'single', 'os', 400), one('LanceDB', 'single', 'os', 200)])
  const [synced, written] = text.split('\n\n') as [string, string]
  t.regex(synced, /LanceDB \(does not sync\) +200 +0 % +0\.50 +5,000 us/)
  t.notRegex(written, /does not sync/)
  t.regex(written, /LanceDB +200 +0 % +2\.00/)
})
