// Whatever is passed: a result, or a BigrainError with a public code. In a process of its own, so that one that dies is seen.
import test from 'ava'
import { ended, runFixture } from './helpers.ts'

test('hostile values as arguments of every method', async (t) => {
  const { code, signal, stdout, stderr } = await ended(runFixture(t, 'fuzz.ts', ['--count', '3000', '--seed', '1']))
  t.is(signal, null, stderr)
  t.is(code, 0, stdout)
  t.regex(stdout, /^fuzz: 3000 calls with hostile values, 0 wrong, 0 hangs/m)
  t.log(stdout.trim().split('\n').at(-1))
})
