// Opening and closing, and every method called again and again, leave no memory and no open file behind. Fewer calls than
// `npm run reliability -- leaks` makes, which is the same at 100,000 of each.
import test from 'ava'
import { figures, leak, leaking } from '../scripts/lib/reliability/leaks.mjs'

const METHODS = ['has', 'stats', 'ids', 'searchSync', 'search', 'searchBatch', 'get', 'add', 'delete', 'flush', 'optimize', 'train', 'verify', 'snapshot']

test('1,000 cycles and 3,000 calls of each method leave nothing behind', async (t) => {
  const found = await leaking({ calls: 3000, cycles: 1000 })
  t.log(`\n${figures(found)}`)
  t.deepEqual(METHODS.filter((name) => !found.some((one) => one.name === name)), [])
  t.deepEqual(found.map(leak).filter(Boolean), [])
})

test('what grew by more than 8 MiB, or left a file open, is found', (t) => {
  const fine = { name: 'some', calls: 5000, growth: 8 << 20, files: 0, ms: 1 }
  t.is(leak(fine), undefined)
  t.is(leak({ ...fine, files: undefined }), undefined, 'a system that does not tell which files are open')
  t.is(leak({ ...fine, growth: fine.growth + 1 })?.kind, 'leaks')
  t.is(leak({ ...fine, files: 1 })?.kind, 'files')
})
