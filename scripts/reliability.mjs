// npm run reliability -- tests | campaign [ROW] [--fresh] | ROW [--count N] [--seed S]: the proofs that no acknowledged write is
// lost, one line each. `tests` is what `npm test` runs; `campaign` is the same at length, and may be stopped and started again.
import { parseArgs } from 'node:util'
import { campaign } from './lib/reliability/campaign.mjs'
import { OPTIONS, ROWS, SEED, TESTS } from './lib/reliability/rows.mjs'
import { Explained, main } from './lib/run.mjs'

const USAGE = `npm run reliability -- tests
npm run reliability -- campaign [ROW] [--seed S] [--fresh]
npm run reliability -- ROW [--count N] [--seed S] [--only N]
  rows: ${ROWS.map(({ name }) => name).join(', ')}`

function parse() {
  const options = Object.fromEntries(OPTIONS.map((name) => [name, { type: 'string' }]))
  try {
    return parseArgs({ allowPositionals: true, options: { ...options, fresh: { type: 'boolean' } } })
  } catch (error) {
    throw new Explained(`${error.message}\n${USAGE}`)
  }
}

/** The options that were given, as numbers where they are some. */
function options(values) {
  return Object.fromEntries(OPTIONS.filter((name) => values[name] !== undefined).map((name) => {
    if (name === 'target') return [name, values[name]]
    const number = Number(values[name].replaceAll(/[,_]/g, ''))
    if (!Number.isSafeInteger(number) || number < 0) throw new Explained(`--${name} must be a whole number, not ${values[name]}`)
    return [name, number]
  }))
}

main(async () => {
  const { positionals: [what, ...more], values } = parse()
  const given = options(values)
  const row = ROWS.find(({ name }) => name === what)
  if (what === 'campaign' && more.length <= 1) return await campaign({ seed: given.seed, only: more[0], fresh: values.fresh })
  if (more.length > 0) throw new Explained(USAGE)
  if (row) return await row.start({ ...(row.tests ?? row.campaign), seed: SEED, ...given })
  if (what !== 'tests') throw new Explained(USAGE)
  let failed = 0
  for (const { start, tests } of TESTS) failed += (await start({ ...tests, seed: SEED, ...given })) === 0 ? 0 : 1
  return failed > 0 ? 1 : 0
})
