// `add` of an iterable: taken in chunks, each an atomic batch.
import { BatchBuilder, type Batch } from './batch.ts'
import type { Control } from './calls.ts'
import { BigrainError, badArgument, reading } from './errors.ts'
import type { Signal } from './signal.ts'

const CHUNK_ROWS = 1024
const CHUNK_BYTES = 4 * 1024 * 1024

/** Adds one chunk. */
export type AddBatch = (batch: Batch, signal: Signal | undefined) => Promise<void>

/** Adds all that `items` gives. On an error the chunks added before stay, and the error carries their number as `added`. */
export async function addStream(
  items: Iterable<unknown> | AsyncIterable<unknown>,
  dimensions: number,
  control: Control,
  add: AddBatch,
): Promise<void> {
  const source = reading(() => new Source(items, control.signal))
  const rows = Math.max(1, Math.min(CHUNK_ROWS, Math.floor(CHUNK_BYTES / (4 * dimensions))))
  const total = sizeOf(items)
  let added = 0
  try {
    const chunk = new BatchBuilder(rows, dimensions)
    for (let done = false, position = 0; !done; ) {
      const step = source.async ? await source.next() : source.step()
      done = step.done === true
      if (!done) chunk.push(step.value, position++)
      if (chunk.rows < chunk.capacity && !(done && chunk.rows > 0)) continue
      await add(chunk.batch(), control.signal)
      added += chunk.rows
      chunk.clear()
      report(control, added, total)
    }
  } catch (error) {
    source.close()
    throw withAdded(error, added)
  }
}

/** The items of either kind of iterable, one at a time. */
class Source {
  readonly async: boolean
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>
  readonly #signal: Signal | undefined
  #open = true

  constructor(items: Iterable<unknown> | AsyncIterable<unknown>, signal: Signal | undefined) {
    this.async = Symbol.asyncIterator in items
    this.#iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
    this.#signal = signal
  }

  step(): IteratorResult<unknown> {
    this.#signal?.check()
    this.#open = false
    const step = (this.#iterator as Iterator<unknown>).next()
    this.#open = !step.done
    return step
  }

  /** The next item, or the abort, whichever comes first: a source that never answers does not hold the call. */
  async next(): Promise<IteratorResult<unknown>> {
    const signal = this.#signal
    if (!signal) return this.#settle((this.#iterator as AsyncIterator<unknown>).next())
    signal.check()
    let leave = () => {}
    const stopped = new Promise<never>((_, reject) => {
      leave = signal.listen(() => reject(signal.error()))
    })
    try {
      return await Promise.race([this.#settle((this.#iterator as AsyncIterator<unknown>).next()), stopped])
    } finally {
      leave()
    }
  }

  async #settle(next: Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> {
    try {
      const step = await next
      if (step.done) this.#open = false
      return step
    } catch (error) {
      this.#open = false
      throw error
    }
  }

  /** Tells the iterator that no more is wanted, unless it has ended. Its answer is not waited for. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    try {
      Promise.resolve(this.#iterator.return?.()).catch(() => {})
    } catch {
      // The error that ended the call is the one to report.
    }
  }
}

function report({ onProgress }: Control, done: number, total: number): void {
  try {
    onProgress?.({ done, total, stage: 'add' })
  } catch (cause) {
    throw new BigrainError('E_ABORTED', 'onProgress threw, and the call was stopped', { cause })
  }
}

/** How many items a collection has; `Infinity` for what does not say. */
function sizeOf(items: object): number {
  const { size, length } = items as { size?: unknown; length?: unknown }
  if (typeof size === 'number') return size
  return typeof length === 'number' ? length : Number.POSITIVE_INFINITY
}

function withAdded(error: unknown, added: number): BigrainError {
  if (!(error instanceof BigrainError)) {
    const wrapped = badArgument(`the iterable of items threw: ${error instanceof Error ? error.message : String(error)}`, error)
    return withAdded(wrapped, added)
  }
  const cause = 'cause' in error ? { cause: error.cause } : {}
  return new BigrainError(error.code, error.message, { ...cause, added })
}
