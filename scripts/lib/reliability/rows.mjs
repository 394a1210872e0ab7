// The rows of the proof that no acknowledged write is lost: what runs each, and how much of it in the tests and in a campaign.
import path from 'node:path'
import { root, run } from '../run.mjs'

const written = (options) => Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])

/** A row of the crate `sim`. The profile is a release build with the debug assertions on. */
const rust = (row, env) => async (options) =>
  (await run('cargo', ['run', '--quiet', '--locked', '--profile', 'sim', '--package', 'sim', '--', row, ...written(options)], { env })).code

/** The engine on the locks of a model checker: another build, which is kept beside the usual one. */
const SCHEDULES = { RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} --cfg schedules`.trim(), CARGO_TARGET_DIR: path.join(root, 'target', 'schedules') }

/** libFuzzer, which asks for tools that `npm test` does without: see fuzz/README.md. */
const guided = async ({ seconds }) => (await run(process.execPath, [path.join('fuzz', 'campaign.mjs'), '--seconds', String(seconds)])).code

/** A row that runs here, with the built package. Loaded when it is wanted: `campaign` and Rust's rows need none of it. */
const node = (row) => async (options) => {
  const { ensureBuilt } = await import('../ensure.mjs')
  await ensureBuilt()
  return await (await import(`./${row}.mjs`))[row](options)
}

/** Why there is no way to make a system call fail here, if so. */
const noFaults = () => (process.platform === 'win32' ? 'Windows has neither strace nor a limit on the length of files' : undefined)

/** Options of all rows; and of those that the commands of findings name beside them. */
export const OPTIONS = ['count', 'seed', 'only', 'case', 'at', 'image', 'threads', 'target', 'seconds']

/**
 * `tests` and `campaign`: the options at either size; `parts`: pieces of a campaign, each with a seed of its own, so that one
 * that is stopped loses little. Without a count a row does all that there is; `io-faults` goes on from there with two faults at a time.
 * `missing`: why it cannot be had here, if so.
 */
export const ROWS = [
  { name: 'power-loss', start: rust('power-loss'), tests: { count: 50_000 }, campaign: { count: 2_000_000 }, parts: 20 },
  { name: 'second-crash', start: rust('second-crash'), tests: { count: 5_000 }, campaign: { count: 200_000 }, parts: 10 },
  { name: 'kill', start: node('kill'), tests: { count: 100 }, campaign: { count: 2_000 }, parts: 10 },
  { name: 'io-faults', start: rust('io-faults'), tests: {}, campaign: { count: 55_000 }, parts: 1 },
  { name: 'syscalls', start: node('syscalls'), tests: { count: 30 }, campaign: { count: 500 }, parts: 5, missing: noFaults },
  { name: 'damage', start: rust('damage'), tests: { count: 20_000 }, campaign: { count: 1_000_000 }, parts: 10 },
  { name: 'model', start: rust('model'), tests: { count: 2_000 }, campaign: { count: 100_000 }, parts: 10 },
  { name: 'fuzz', start: rust('fuzz'), tests: { seconds: 60 }, campaign: { seconds: 600 }, parts: 1 },
  { name: 'fuzz-guided', start: guided, tests: undefined, campaign: { seconds: 7_200 }, parts: 1 },
  { name: 'schedules', start: rust('schedules', SCHEDULES), tests: {}, campaign: { count: 5_000_000 }, parts: 10 },
  { name: 'leaks', start: node('leaks'), tests: undefined, campaign: { count: 100_000 }, parts: 1 },
]

/** The rows that `npm test` runs. `leaks` has a test of its own, with fewer calls. */
export const TESTS = ROWS.filter(({ tests }) => tests)

/** The seed of the tests, and the first one of a campaign. */
export const SEED = 1
