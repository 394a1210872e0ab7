// What searches do to everything else that this process serves: the delay of its event loop while many are running.
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type { Index } from 'bigrain'
import { table, whole } from '../scripts/lib/table.mjs'

const CONCURRENT = 200
const SECONDS = 5

/** Watches the event loop once a millisecond while `work` goes on. */
async function watched(work: () => Promise<void>): Promise<IntervalHistogram> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await work()
  delay.disable()
  return delay
}

/** Keeps 200 `search` calls under way, each followed by the next, and counts them. */
async function load(index: Index, queries: readonly Float32Array[]): Promise<number> {
  const end = performance.now() + SECONDS * 1000
  let done = 0
  const lane = async () => {
    while (performance.now() < end) await index.search(queries[done++ % queries.length] as Float32Array, { k: 10 })
  }
  await Promise.all(Array.from({ length: CONCURRENT }, lane))
  return done
}

const ms = (nanoseconds: number): string => `${(nanoseconds / 1e6).toFixed(2)} ms`

/**
 * A table: the time between two turns of the event loop, idle and with 200 searches under way. The watch ticks every
 * millisecond, so an idle loop shows about one.
 */
export async function eventLoopDelay(index: Index, queries: readonly Float32Array[]): Promise<string> {
  await load(index, queries) // warm
  const idle = await watched(() => setTimeout(SECONDS * 1000))
  let searches = 0
  const busy = await watched(async () => { searches = await load(index, queries) })
  const row = (name: string, of: (histogram: IntervalHistogram) => number) => [name, ms(of(idle)), ms(of(busy))]
  return `\nevent loop, ${CONCURRENT} concurrent search calls: ${whole(searches / SECONDS)} searches a second\n\n${table([
    ['delay', 'idle', 'searching'],
    row('median', (histogram) => histogram.percentile(50)),
    row('99th percentile', (histogram) => histogram.percentile(99)),
    row('largest', (histogram) => histogram.max),
  ])}`
}
