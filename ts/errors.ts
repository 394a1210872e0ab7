/** What went wrong, for programs. The message says it for people. */
export type Code =
  | 'E_ARGUMENT'
  | 'E_DIMENSIONS'
  | 'E_NOT_FINITE'
  | 'E_NOT_FOUND'
  | 'E_LOCKED'
  | 'E_READ_ONLY'
  | 'E_CORRUPT'
  | 'E_IO'
  | 'E_POISONED'
  | 'E_CLOSED'
  | 'E_ABORTED'
  | 'E_INTERNAL'

/** How the addon describes a failure. */
export interface Failure {
  code: string
  message: string
  added?: number
}

/** Every error of this package. Its `name` is `'AbortError'` where the code is `E_ABORTED`, else `'BigrainError'`. */
export class BigrainError extends Error {
  readonly code: Code
  /** From `add` of an iterable that failed half way: how many items had been added, and stay. */
  declare readonly added?: number

  constructor(code: Code, message: string, details: { cause?: unknown; added?: number } = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    if (details.added !== undefined) this.added = details.added
  }

  static {
    // On the prototype, as for the built-in errors, so that it does not show among an instance's own fields.
    Object.defineProperty(this.prototype, 'name', {
      configurable: true,
      get(this: BigrainError) {
        return this.code === 'E_ABORTED' ? 'AbortError' : 'BigrainError'
      },
    })
  }
}

/** An argument that cannot be taken. The message names it, says what was given and what was wanted. */
export function badArgument(message: string, cause?: unknown): BigrainError {
  return new BigrainError('E_ARGUMENT', message, cause === undefined ? {} : { cause })
}

/** Something of the public API that a later version brings. */
export function notYet(what: string): BigrainError {
  return new BigrainError('E_ARGUMENT', `${what} is not in this version of bigrain yet`)
}

/** The error that the addon described, whether thrown or handed back. */
export function fromNative(failure: unknown): BigrainError {
  if (failure instanceof BigrainError) return failure
  const { code, message, added } = failure as Partial<Failure>
  if (typeof code === 'string' && code.startsWith('E_')) {
    return new BigrainError(code as Code, message ?? code, added === undefined ? {} : { added })
  }
  return new BigrainError('E_INTERNAL', message ?? String(failure), { cause: failure })
}

/** Runs a synchronous native call, its failure thrown as a `BigrainError`. */
export function native<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

/**
 * Reads arguments. What a caller's own getters, proxies and iterators throw meanwhile, or what is thrown because an argument
 * is not what it claims to be, comes out as a `BigrainError` with that as its cause.
 */
export function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw unreadable(error)
  }
}

/** What to throw where reading arguments threw. */
export function unreadable(error: unknown): BigrainError {
  return error instanceof BigrainError ? error : badArgument('an argument could not be read', error)
}

/** A value as an error message shows it: short, and never throwing. */
export function show(value: unknown): string {
  try {
    return describe(value)
  } catch {
    return 'something that cannot be looked at'
  }
}

function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
    case 'bigint':
      return `${value}n`
    case 'function':
      return 'a function'
    case 'object': {
      if (value === null) return 'null'
      if (Array.isArray(value)) return `an array of ${value.length}`
      if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`
      return 'an object'
    }
    default:
      return String(value)
  }
}
