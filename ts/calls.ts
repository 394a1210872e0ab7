// Calls that run on the addon's threads: one promise each, settled in batches.
//
// The addon puts finished calls into one queue per environment (main thread or worker) and wakes it once; `settle` then
// takes many of them in one native call. Plain hits come packed in `scratch`, everything else as objects.
import type { NativeCancel, NativeDone, NativeIndex, NativeProgress } from '#native'
import { addon } from './binding.ts'
import { BigrainError, fromNative } from './errors.ts'
import { NO_TEXTS, readHits } from './hits.ts'
import type { Signal } from './signal.ts'
import type { Progress } from './types.ts'

/** What a call gave. Which fields are set depends on the method. */
export type Done = Omit<NativeDone, 'token'>

export interface Control {
  signal?: Signal
  onProgress?: (progress: Progress) => void
}

interface Pending {
  /** Keeps the native index alive while its call runs. */
  index: NativeIndex
  resolve: (value: never) => void
  reject: (error: unknown) => void
  read: (done: Done) => unknown
  progress?: (progress: NativeProgress) => void
}

/** Calls under way, each in the place that its token names. A place is free again once its call has ended, which it does once. */
const pending: (Pending | undefined)[] = []
const free: number[] = []
let busy = 0
const scratch = new Float64Array(16_384)
const calls = new addon.NativeCalls(settle)
const take = calls.taker()
// The addon's wake-up does not keep the process alive; this timer does, while calls are pending.
const keepAlive = setInterval(() => {}, 2 ** 31 - 1).unref()

/** The completion queue of this environment, for the native index to put its results into. */
export { calls }

/** Has the addon begin a call, which ends under that token. */
type Start = (token: number, cancel: NativeCancel | undefined, progress: boolean) => void

/** A call that nobody stops or watches. `read` turns what the addon gave into what the promise gives. */
export async function callPlain<T>(index: NativeIndex, start: Start, read: (done: Done) => T): Promise<T> {
  try {
    const token = begin(start, undefined, false)
    return await new Promise<T>((resolve, reject) => hold(token, { index, resolve, reject, read }))
  } catch (failure) {
    // Made here and not where the addon's answer comes in: so its stack leads to the caller.
    throw fromNative(failure)
  }
}

/** A call that may be stopped by a signal and watched by `onProgress`. */
export function call<T>(index: NativeIndex, control: Control, start: Start, read: (done: Done) => T): Promise<T> {
  return control.signal || control.onProgress ? callControlled(index, control, start, read) : callPlain(index, start, read)
}

async function callControlled<T>(index: NativeIndex, control: Control, start: Start, read: (done: Done) => T): Promise<T> {
  const { signal, onProgress } = control
  signal?.check()
  const cancel = new addon.NativeCancel()
  const stop = () => {
    cancel.cancel()
    index.sweep()
  }
  const watch = onProgress && new Watch(onProgress, stop)
  const leave = signal?.listen(stop)
  try {
    const token = begin(start, cancel, watch !== undefined)
    const progress = watch && ((progress: NativeProgress) => watch.report(progress))
    const value = await new Promise<T>((resolve, reject) => hold(token, { index, resolve, reject, read, progress }))
    if (watch?.failed) throw watch.error('the call had already been carried out')
    return value
  } catch (failure) {
    const error = fromNative(failure)
    if (error.code !== 'E_ABORTED') throw error
    if (watch?.failed) throw watch.error('the call was stopped')
    throw signal?.aborted ? signal.error() : error
  } finally {
    leave?.()
  }
}

/** Calls `onProgress`. What it throws stops the call and is kept for the rejection. */
class Watch {
  failed = false
  #cause: unknown
  readonly #onProgress: (progress: Progress) => void
  readonly #stop: () => void

  constructor(onProgress: (progress: Progress) => void, stop: () => void) {
    this.#onProgress = onProgress
    this.#stop = stop
  }

  report(progress: NativeProgress): void {
    if (this.failed) return
    try {
      this.#onProgress(progress)
    } catch (cause) {
      this.failed = true
      this.#cause = cause
      this.#stop()
    }
  }

  error(end: string): BigrainError {
    return new BigrainError('E_ABORTED', `onProgress threw, and ${end}`, { cause: this.#cause })
  }
}

/** Starts a call in a free place. It cannot end before this thread is done with what it is at, and by then `hold` was called. */
function begin(start: Start, cancel: NativeCancel | undefined, progress: boolean): number {
  const token = free.pop() ?? pending.push(undefined) - 1
  try {
    start(token, cancel, progress)
  } catch (error) {
    free.push(token)
    throw error
  }
  return token
}

function hold(token: number, entry: Pending): void {
  if (busy++ === 0) keepAlive.ref()
  pending[token] = entry
}

/** Takes what is finished. Never throws: what goes wrong with one call rejects its promise. */
function settle(): void {
  const taken = take(scratch)
  const texts = taken ? { list: taken.texts, next: 0 } : NO_TEXTS
  const used = scratch[0] as number
  const more = scratch[1] === 1
  for (let at = 2; at < used; ) {
    const entry = end(scratch[at] as number)
    const count = scratch[at + 1] as number
    const hits = readHits(scratch, at + 2, count, texts)
    at += 2 + 2 * count
    entry?.resolve(hits as never)
  }
  for (const done of taken?.done ?? []) {
    if (done.progress) pending[done.token]?.progress?.(done.progress)
    else finish(end(done.token), done)
  }
  // What is left waits its turn behind other events.
  if (more) setImmediate(settle)
}

function end(token: number): Pending | undefined {
  const entry = pending[token]
  if (!entry) return undefined
  pending[token] = undefined
  free.push(token)
  if (--busy === 0) keepAlive.unref()
  return entry
}

function finish(entry: Pending | undefined, done: Done): void {
  if (done.failure) return entry?.reject(done.failure)
  try {
    entry?.resolve(entry.read(done) as never)
  } catch (error) {
    entry?.reject(error)
  }
}
