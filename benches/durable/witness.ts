// A store in a process that is watched or killed. witness.ts adds|dies|counts ENGINE DURABILITY FOLDER
import fs from 'node:fs'
import { type Durability, ENGINES } from './engines.ts'
import { loadRows } from './rows.ts'
import { CALLERS, Source } from './workloads.ts'

/** Single adds of `dies`. */
export const KILLED_ROWS = 200
/** Single adds of `adds`, and then waves of callers at once. */
export const WATCHED_ADDS = 20
export const WATCHED_WAVES = 5

/** A system call that whoever watches finds among the others: a look for a file that is not there. */
export const markOf = (n: number): string => `/bigrain-mark-${n}`
const mark = (n: number): boolean => fs.existsSync(markOf(n))

async function main(): Promise<void> {
  const [what, name, durability, folder] = process.argv.slice(2) as [string, string, Durability, string]
  const engine = ENGINES[name]
  if (!engine) throw new Error(`no engine ${name}`)
  const source = new Source(loadRows(1_000).vectors)
  const store = await engine.open(folder, durability)
  if (what === 'counts') {
    console.log(await store.count())
    return void (await store.close())
  }
  if (what === 'dies') {
    while (source.next < KILLED_ROWS) await source.addOne(store)
    process.kill(process.pid, 'SIGKILL')
  }
  await source.addOne(store)
  mark(0)
  for (let n = 1; n <= WATCHED_ADDS; n++) {
    await source.addOne(store)
    mark(n)
  }
  for (let wave = 0; wave < WATCHED_WAVES; wave++) await Promise.all(Array.from({ length: CALLERS }, () => source.addOne(store)))
  mark(WATCHED_ADDS + 1)
  await store.close()
}

// Only as a program: the parent takes the numbers above from here.
if (process.argv[1]?.endsWith('witness.ts')) await main()
