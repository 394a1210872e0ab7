// The parts of the scripts that a mistake would hide in: counting, unpacking, parsing, splitting.
import fs from 'node:fs'
import test from 'ava'
import { holdOut, parseEmbeddings, take } from './data.mjs'
import { untar } from './packages.mjs'
import { countAva, countCargo, verdict } from './parts.mjs'
import { percentile, table } from './table.mjs'

test('cargo: all test programs are added up', (t) => {
  const output = `
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test a ... FAILED
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests kernels
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`
  t.deepEqual(countCargo(output), { passed: 16, failed: 2 })
})

test('ava: passes are counted where some failed, too; failed hooks and stray exceptions count', (t) => {
  t.deepEqual(countAva('\n  ✔ a (12ms)\n  - [skip] b\n  ✔ c › d\n  ─\n\n  2 tests passed\n  1 test skipped\n'), { passed: 2, failed: 0 })
  t.deepEqual(countAva('  ✔ a\n  ✘ [fail]: b ✔ c\n  ✘ [fail]: d\n  ─\n\n  2 tests failed\n  1 uncaught exception\n'), { passed: 1, failed: 3 })
  t.deepEqual(countAva('  \u001b[32m✔\u001b[39m a\n\n  \u001b[32m1 test passed\u001b[39m\n'), { passed: 1, failed: 0 })
})

test('a part that dies without naming a failure has failed, and so has one without tests', (t) => {
  t.deepEqual(verdict(101, { passed: 4, failed: 0 }), { passed: 4, failed: 1 })
  t.deepEqual(verdict(0, { passed: 0, failed: 0 }), { passed: 0, failed: 1 })
  t.deepEqual(verdict(1, { passed: 4, failed: 2 }), { passed: 4, failed: 2 })
  t.deepEqual(verdict(0, { passed: 4, failed: 0 }), { passed: 4, failed: 0 })
})

/** One tar entry: a header block and the content padded to whole blocks. */
function entry(name: string, content: string, kind = '0'): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644', 100)
  header.write(Buffer.byteLength(content).toString(8).padStart(11, '0'), 124)
  header.write(kind, 156)
  header.write('ustar', 257)
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512)
  body.write(content)
  return Buffer.concat([header, body])
}

test('untar: files of any length, long names, other kinds passed over', (t) => {
  const long = `package/${'deep/'.repeat(30)}file.txt`
  const record = ` path=${long}\n`
  const pax = `${record.length + String(record.length + 3).length}${record}`
  const archive = Buffer.concat([entry('package/a', 'x'.repeat(700)), entry('package/dir/', '', '5'), entry('pax', pax, 'x'), entry('cut', 'long'), entry('package/empty', ''), Buffer.alloc(1024)])
  const seen: [string, number][] = []
  untar(archive, (name: string, bytes: Buffer) => seen.push([name, bytes.length]))
  t.deepEqual(seen, [['package/a', 700], [long, 4], ['package/empty', 0]])
  t.throws(() => untar(archive.subarray(0, 600), () => undefined), { message: /cut off/ })
})

test('embeddings: rows land at their word, whatever the order and the characters', (t) => {
  const words = ['plain', 'quote"', 'brackets],"', 'é\\']
  const rows = [2, 0, 3, 1].map((place) => `${JSON.stringify(words[place])}:[${place}.5,-${place},9,${place}]`)
  const head = `{"precision":8,"l2NormIndex":2,"wordIndex":3,"size":4,"dimensions":2,"words":${JSON.stringify(words)},"vectors":{`
  const parsed = parseEmbeddings(Buffer.from(`${head}${rows.join(',')}},"unkVector":[0,0,0,-1]}`))
  t.deepEqual(parsed.words, words)
  t.deepEqual([...parsed.vectors], [0.5, -0, 1.5, -1, 2.5, -2, 3.5, -3])
  t.throws(() => parseEmbeddings(Buffer.from(`${head}${rows.toReversed().join(',').replace('"plain"', '"other"')}}`)), { message: /not one of the words/ })
  t.throws(() => parseEmbeddings(Buffer.from('{"size":3}')), { message: /expected shape/ })
})

test('a split is the same for a seed, and its parts share nothing', (t) => {
  const { held, rest } = holdOut(1000, 100, 7)
  t.deepEqual(held, holdOut(1000, 100, 7).held)
  t.notDeepEqual(held, holdOut(1000, 100, 8).held)
  t.is(new Set([...held, ...rest]).size, 1000)
  t.deepEqual(take(Float32Array.of(1, 2, 3, 4, 5, 6), 2, Uint32Array.of(2, 0)), Float32Array.of(5, 6, 1, 2))
})

test('percentiles by nearest rank; tables line up', (t) => {
  const numbers = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.deepEqual([0.01, 0.5, 0.99, 1].map((part) => percentile(numbers, part)), [1, 50, 99, 100])
  t.is(table([['', 'a'], ['row', '10.0']]), '        a\n---  ----\nrow  10.0')
})

test('the lock file names every platform of every tool, and no registry', (t) => {
  const text = fs.readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }> }
  // npm leaves out a platform that it could not fetch, and `npm ci` then refuses the whole lock file
  for (const [place, { optionalDependencies = {}, resolved }] of Object.entries(packages)) {
    t.is(resolved, undefined, place)
    for (const name of Object.keys(optionalDependencies)) {
      t.true(`${place}/node_modules/${name}` in packages || `node_modules/${name}` in packages, `${name} of ${place}`)
    }
  }
})
