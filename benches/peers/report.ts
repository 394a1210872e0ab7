// What the sweep says: queries a second at a recall, as tables in Markdown.
import { whole } from '../../scripts/lib/table.mjs'
import type { Effort } from './engines.ts'
import type { Built } from './protocol.ts'

export const TARGETS = [0.9, 0.95, 0.99]
/** Efforts that find less are of no use to anyone. */
const LEAST_RECALL = 0.8
/** Efforts whose recalls lie nearer to each other than this part of what is missing say the same. */
const APART = 0.08

export interface Point {
  effort: Effort
  threads: number
  recall: number
  /** queries a second by the clock, and by the processor time that the process used */
  qps: number
  cpuQps: number
}

export type Speed = 'qps' | 'cpuQps'

export interface EngineResult {
  engine: string
  ours: boolean
  built: Built
  /** bytes of `built.memory` that are not the rows themselves */
  beside: number
  /** one a round, effort and number of threads */
  points: Point[]
}

/** The middle value (of an even number the lower one). */
const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 1] as number

/** One point an effort and number of threads: the median of its rounds, recall ascending. */
export function curve(points: readonly Point[]): Point[] {
  const groups = new Map<string, Point[]>()
  for (const point of points) {
    const key = JSON.stringify([point.effort, point.threads])
    groups.set(key, [...(groups.get(key) ?? []), point])
  }
  const merged = [...groups.values()].map((rounds) => {
    const of = (field: 'recall' | Speed) => median(rounds.map((point) => point[field]))
    const [{ effort, threads }] = rounds as [Point]
    return { effort, threads, recall: of('recall'), qps: of('qps'), cpuQps: of('cpuQps') }
  })
  return merged.toSorted((a, b) => a.recall - b.recall)
}

/** The points that no other beats in recall and in speed at once (the Pareto front), recall ascending. */
export function front(points: readonly Point[], speed: Speed): Point[] {
  const out: Point[] = []
  let best = 0
  for (const point of points.toSorted((a, b) => b.recall - a.recall || b[speed] - a[speed])) {
    if (point[speed] <= best) continue
    best = point[speed]
    out.push(point)
  }
  return out.toReversed()
}

/** The efforts whose points make up the front, from the last one below LEAST_RECALL on, without those that hardly differ. */
export function worthMeasuring(points: readonly Point[]): Effort[] {
  const ascending = front(points, 'cpuQps')
  const first = ascending.findIndex((point) => point.recall >= LEAST_RECALL)
  const kept: Point[] = []
  for (const point of ascending.slice(first < 0 ? -1 : Math.max(0, first - 1))) {
    const last = kept.at(-1)
    if (!last || point.recall - last.recall >= APART * (1 - last.recall) || point === ascending.at(-1)) kept.push(point)
  }
  return kept.map(({ effort }) => effort)
}

/**
 * Queries a second at a recall: between the last point of the front below it and the first at or above it, the
 * logarithm of the speed taken as linear in recall. The first point's if that reaches it already; undefined where none does.
 */
export function qpsAt(target: number, points: readonly Point[], speed: Speed): number | undefined {
  const ascending = front(points, speed)
  const after = ascending.findIndex((point) => point.recall >= target)
  const [below, above] = [ascending[after - 1], ascending[after]]
  if (!above) return undefined
  if (!below) return above[speed]
  const part = (target - below.recall) / (above.recall - below.recall)
  return Math.exp(Math.log(below[speed]) + part * (Math.log(above[speed]) - Math.log(below[speed])))
}

const known = (value: number | undefined): string => (value === undefined ? '-' : whole(value))

/** A table in Markdown, first column to the left. */
function markdown(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (row: string[]) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  const [head, ...body] = rows.map((row) => `| ${pad(row).join(' | ')} |`)
  return [head, `| ${rule.join(' | ')} |`, ...body].join('\n')
}

/** The ways to count: what is shown first is the least disturbed by other programs. */
const WAYS = [
  { title: 'one thread, a second of processor time', one: true, speed: 'cpuQps' },
  { title: 'one thread, a second by the clock', one: true, speed: 'qps' },
  { title: 'all threads, a second by the clock', one: false, speed: 'qps' },
] as const
type Way = (typeof WAYS)[number]

/** A result's speed at a recall by one of the ways; undefined where it does not get there. */
export function speedOf({ points }: EngineResult, { one, speed }: Pick<Way, 'one' | 'speed'>, target: number): number | undefined {
  return qpsAt(target, curve(points.filter((point) => one === (point.threads === 1))), speed)
}

function speeds(results: readonly EngineResult[], way: Way): string {
  const heading = [`queries, ${way.title}`, ...TARGETS.map((target) => `recall ${target}`), 'most recall']
  const rows = results.map((result) => {
    const most = Math.max(0, ...curve(result.points).map((point) => point.recall))
    return [result.engine, ...TARGETS.map((target) => known(speedOf(result, way, target))), most.toFixed(4)]
  })
  return markdown([heading, ...rows])
}

function costs(results: readonly EngineResult[]): string {
  const heading = ['cost', 'build s', 'build processor s', 'memory MB', 'beside the rows MB']
  const rows = results.map(({ engine, built, beside }) =>
    [engine, built.seconds.toFixed(1), built.cpuSeconds.toFixed(1), known(built.memory / 1e6), known(beside / 1e6)])
  return markdown([heading, ...rows])
}

/** The best of ours over the best of the others at each recall: `2.00 (ours; theirs)`. */
export function ratios(results: readonly EngineResult[]): string {
  const heading = ['bigrain over the best other', ...TARGETS.map((target) => `recall ${target}`)]
  const rows = WAYS.map((way) => [way.title, ...TARGETS.map((target) => {
    const best = (ours: boolean) => results.filter((result) => result.ours === ours)
      .map((result) => ({ engine: result.engine, speed: speedOf(result, way, target) ?? 0 }))
      .reduce((a, b) => (a.speed >= b.speed ? a : b), { engine: '', speed: 0 })
    const [ours, other] = [best(true), best(false)]
    return ours.speed > 0 && other.speed > 0 ? `${(ours.speed / other.speed).toFixed(2)} (${ours.engine}; ${other.engine})` : '-'
  })])
  return markdown([heading, ...rows])
}

export function summary(results: readonly EngineResult[]): string {
  return [...WAYS.map((way) => speeds(results, way)), costs(results), ratios(results)].join('\n\n')
}
