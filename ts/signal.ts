// A caller's abort signal. It may be a polyfill's or anything else that looks like one, and so throw where a real one does not.
import { BigrainError, badArgument, reading, show } from './errors.ts'

/** The error of a call that was stopped. */
const aborted = (cause: unknown): BigrainError => new BigrainError('E_ABORTED', 'the call was aborted', { cause })

/** A signal of which only `of` and `listen` throw what it throws, as a bad argument. */
export class Signal {
  readonly #given: AbortSignal

  private constructor(given: AbortSignal) {
    this.#given = given
  }

  static of(given: unknown): Signal | undefined {
    if (given === undefined) return undefined
    const signal = given as Partial<AbortSignal> | null
    const listens = typeof signal === 'object' && typeof signal?.addEventListener === 'function' && typeof signal.removeEventListener === 'function'
    if (listens && typeof signal.aborted === 'boolean') return new Signal(signal as AbortSignal)
    throw badArgument(`signal must be an AbortSignal, not ${show(given)}`)
  }

  get aborted(): boolean {
    return quiet(() => this.#given.aborted) === true
  }

  /** The error of a call that this signal stopped. */
  error(): BigrainError {
    return aborted(quiet(() => this.#given.reason))
  }

  /** Throws that error if the signal is aborted already. */
  check(): void {
    if (this.aborted) throw this.error()
  }

  /** Calls `stop` once, when the signal aborts; until what this gives is called. */
  listen(stop: () => void): () => void {
    reading(() => this.#given.addEventListener('abort', stop, { once: true }))
    return () => quiet(() => this.#given.removeEventListener('abort', stop))
  }
}

/** What `read` gives; nothing where it throws. */
function quiet<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
