// Every codec on every coarse side finds what docs/recall.md states, with the strongest instructions of this processor and with weaker ones.
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { KINDS } from './fixtures/kinds.ts'
import { ended, runFixture } from './helpers.ts'

/** What a set stated to two digits may be off by. */
const OFF = 0.01 + 1e-9

function stated(): Record<string, number> {
  const text = readFileSync(new URL('../docs/recall.md', import.meta.url), 'utf8')
  return Object.fromEntries([...text.matchAll(/^\| ([a-z0-9 ]+) \| ([\d.]+) \|$/gm)].map(([, kind, recall]) => [kind, Number(recall)]))
}

async function found(t: ExecutionContext, simd: string): Promise<{ simd: string; found: Record<string, number> }> {
  const { code, signal, stdout, stderr } = await ended(runFixture(t, 'recall.ts', [], { BIGRAIN_SIMD: simd }))
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  return JSON.parse(stdout)
}

test('the table has every kind', (t) => {
  t.deepEqual(Object.keys(stated()), Object.keys(KINDS))
})

// A set that the processor has not is as if nothing had been asked for.
for (const simd of process.arch === 'x64' ? ['', 'avx2', 'scalar'] : ['', 'scalar']) {
  test(`recall is what the table states: ${simd || 'the strongest set'}`, async (t) => {
    const reached = await found(t, simd)
    if (simd === 'scalar') t.is(reached.simd, simd)
    t.log(reached.simd, JSON.stringify(reached.found))
    const off = Object.entries(stated()).filter(([kind, recall]) => !(Math.abs((reached.found[kind] as number) - recall) <= OFF))
    t.deepEqual(off.map(([kind, recall]) => ({ kind, recall, reached: reached.found[kind] })), [])
  })
}
