// The package loads, with fewer instructions if told so, and says what is missing when it does not.
import test, { type ExecutionContext } from 'ava'
import { ended, runFixture } from './helpers.ts'

async function load(t: ExecutionContext, env: NodeJS.ProcessEnv): Promise<Record<string, unknown>> {
  const { code, signal, stdout, stderr } = await ended(runFixture(t, 'load.ts', [], env))
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  return JSON.parse(stdout)
}

test('BIGRAIN_SIMD forces weaker instructions, with the same answers', async (t) => {
  const best = await load(t, { BIGRAIN_SIMD: '' })
  const scalar = await load(t, { BIGRAIN_SIMD: 'scalar' })
  const unknown = await load(t, { BIGRAIN_SIMD: 'quantum' })
  t.is(scalar['simd'], 'scalar')
  t.deepEqual(scalar['ids'], best['ids'])
  t.deepEqual(unknown, best)
})

test('an addon that does not load is explained', async (t) => {
  const { name, code, message } = await load(t, { ADDON: '/there/is/no/addon.node' })
  t.is(name, 'BigrainError')
  t.is(code, 'E_INTERNAL')
  t.regex(message as string, new RegExp(`${process.platform}-${process.arch}.*Node ${process.versions.node}.*npm`))
})
