// Calls that run on the addon's threads: one promise each, settled in batches.
//
// The addon puts finished calls into one queue per environment (main thread or worker) and wakes it once; `settle` then
// takes many of them in one native call. Plain hits come packed in `scratch`, everything else as objects.
import type { NativeCancel, NativeDone, NativeIndex, NativeProgress } from '#native'
import { addon } from './binding.ts'
import { BigrainError, fromNative } from './errors.ts'
import { readHits } from './hits.ts'
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

const pending = new Map<number, Pending>()
const scratch = new Float64Array(16_384)
const calls = new addon.NativeCalls(settle)
// The addon's wake-up does not keep the process alive; this timer does, while calls are pending.
const keepAlive = setInterval(() => {}, 2 ** 31 - 1).unref()
let lastToken = 0

/** The completion queue of this environment, for the native index to put its results into. */
export { calls }

/** A call that nobody stops or watches. `read` turns what the addon gave into what the promise gives. */
export async function callPlain<T>(index: NativeIndex, start: (token: number) => void, read: (done: Done) => T): Promise<T> {
  try {
    return await new Promise<T>((resolve, reject) => begin({ index, resolve, reject, read }, start))
  } catch (failure) {
    // Made here and not where the addon's answer comes in: so its stack leads to the caller.
    throw fromNative(failure)
  }
}

type Start = (token: number, cancel: NativeCancel | undefined, progress: boolean) => void

/** A call that may be stopped by a signal and watched by `onProgress`. */
export function call<T>(index: NativeIndex, control: Control, start: Start, read: (done: Done) => T): Promise<T> {
  if (control.signal || control.onProgress) return callControlled(index, control, start, read)
  return callPlain(index, (token) => start(token, undefined, false), read)
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
    const answer = new Promise<T>((resolve, reject) => {
      const progress = watch && ((progress: NativeProgress) => watch.report(progress))
      begin({ index, resolve, reject, read, progress }, (token) => start(token, cancel, watch !== undefined))
    })
    const value = await answer
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

function begin(entry: Pending, start: (token: number) => void): void {
  do lastToken = (lastToken + 1) >>> 0
  while (pending.has(lastToken))
  const token = lastToken
  try {
    start(token)
  } catch (error) {
    entry.reject(error)
    return
  }
  if (pending.size === 0) keepAlive.ref()
  pending.set(token, entry)
}

/** Takes what is finished. Never throws: what goes wrong with one call rejects its promise. */
function settle(): void {
  const taken = calls.take(scratch)
  const texts = { list: taken.texts, next: 0 }
  for (let at = 0; at < taken.used; ) {
    const entry = end(scratch[at] as number)
    const count = scratch[at + 1] as number
    const hits = readHits(scratch, at + 2, count, texts)
    at += 2 + 2 * count
    entry?.resolve(hits as never)
  }
  for (const done of taken.done) {
    if (done.progress) pending.get(done.token)?.progress?.(done.progress)
    else finish(end(done.token), done)
  }
  // What is left waits its turn behind other events.
  if (taken.more) setImmediate(settle)
}

function end(token: number): Pending | undefined {
  const entry = pending.get(token)
  pending.delete(token)
  if (pending.size === 0) keepAlive.unref()
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
