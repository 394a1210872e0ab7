import type { NativeCancel, NativeIndex, NativeTable, NativeVerified } from '#native'
import { addon } from './binding.ts'
import { type Batch, packColumns, packItems } from './batch.ts'
import { call, callPlain, calls, type Control, type Done } from './calls.ts'
import { checkInteger, checkNames } from './check.ts'
import { BigrainError, badArgument, native, notYet, reading, show } from './errors.ts'
import { MatchTable, NO_TEXTS, readHits, readItems } from './hits.ts'
import { checkId, packIds, unpackIds } from './ids.ts'
import { packOpenOptions, packOptions, unpackCodes, unpackOptions } from './options.ts'
import { METADATA, packInclude, packQueries, packSearch, packWords, readSearch, refused, USUAL, VECTOR } from './search.ts'
import { Signal } from './signal.ts'
import { addStream } from './stream.ts'
import type {
  Columns,
  GetOptions,
  Hit,
  Id,
  ImportOptions,
  IndexOptions,
  Item,
  Matches,
  OpenOptions,
  OptimizeOptions,
  Query,
  SearchOptions,
  Stats,
  TrainOptions,
  TrainReport,
  Vector,
  VerifyReport,
  WriteOptions,
} from './types.ts'

/** Ids that `ids()` takes from the addon at a time. */
const PAGE = 4096

/** An index that `open` made: what the constructor takes in place of options, and nobody outside can make. */
class Opened {
  readonly #native: NativeIndex

  constructor(native: NativeIndex) {
    this.#native = native
  }

  /** The index of what `open` made. Asks nothing of anything else, such as a proxy. */
  static native(made: unknown): NativeIndex | undefined {
    return typeof made === 'object' && made !== null && #native in made ? made.#native : undefined
  }
}

/**
 * A vector index: compact codes find candidates, full vectors verify them.
 *
 * Every method that returns a promise leaves the work to threads of the index: two searches run beside each other, writes
 * one after another in the order of their calls. Arguments are copied before a method returns.
 */
export class Index implements AsyncDisposable {
  /** As asked, defaults filled in; what `'auto'` became is `stats().chosen`. */
  readonly options: IndexOptions
  readonly #native: NativeIndex
  readonly #dimensions: number
  /** The addon's two functions for searches: on this thread, and on another. */
  readonly #searchNow: ReturnType<NativeIndex['searcher']>
  readonly #startSearch: ReturnType<NativeIndex['starter']>
  #closing: Promise<void> | undefined

  /** An index that lives in memory only. */
  constructor(options: IndexOptions)
  constructor(options: IndexOptions | Opened) {
    const opened = Opened.native(options)
    this.#native = opened ?? new addon.NativeIndex(calls)
    if (!opened) native(() => this.#native.create(reading(() => packOptions(options as IndexOptions))))
    this.options = unpackOptions(native(() => this.#native.options()))
    this.#dimensions = this.options.dimensions
    this.#searchNow = this.#native.searcher()
    this.#startSearch = this.#native.starter()
  }

  /** Opens the durable index in the directory `path`; creates it when options are given and nothing is there. */
  static async open(path: string, options: OpenOptions = {}): Promise<Index> {
    checkPath(path)
    const packed = reading(() => packOpenOptions(options))
    const handle = new addon.NativeIndex(calls)
    await callPlain(handle, (token) => handle.open(token, path, packed.options, packed.readOnly), nothing)
    return new Index(new Opened(handle) as unknown as IndexOptions)
  }

  /** Live items. After `close`: as many as there were. */
  get size(): number {
    return this.#native.size()
  }

  /**
   * Inserts items, or replaces those of the same id. An array or columns are one atomic batch; any other iterable is taken
   * in atomic chunks, and if it fails half way the error says in `added` how many items stay.
   */
  async add(items: Iterable<Item> | AsyncIterable<Item> | Columns, options: WriteOptions = {}): Promise<void> {
    this.#checkOpen()
    const control = reading(() => packControl('add options', options))
    if (typeof items !== 'object' || items === null) {
      throw badArgument(`items must be an iterable of items, or columns, not ${show(items)}`)
    }
    const dimensions = this.#dimensions
    const list = reading(() => Array.isArray(items))
    if (list) return await this.#addBatch(reading(() => packItems(items as Item[], dimensions)), control)
    if (reading(() => Symbol.asyncIterator in items || Symbol.iterator in items)) {
      const iterable = items as Iterable<Item> | AsyncIterable<Item>
      return await addStream(iterable, dimensions, control, (batch, signal) => this.#addBatch(batch, { signal }))
    }
    return await this.#addBatch(reading(() => packColumns(items as Columns, dimensions)), control)
  }

  /** Streams a file of vectors in. Not in this version. */
  async import(_file: string, _options?: ImportOptions): Promise<void> {
    throw notYet('import')
  }

  /** Removes items. Gives how many of them were there. */
  async delete(ids: Iterable<Id>): Promise<number> {
    this.#checkOpen()
    const { numbers, texts } = packIds(reading(() => listIds(ids)))
    return await callPlain(this.#native, (token) => this.#native.delete(token, numbers, texts), (done) => done.count as number)
  }

  has(id: Id): boolean {
    this.#checkOpen()
    const checked = checkId(id, 'id')
    return native(() => this.#native.has(checked))
  }

  /** The items of `ids`, in that order; `undefined` where there is none. Vectors are what is stored. */
  async get(ids: Iterable<Id>, options: GetOptions = {}): Promise<(Item | undefined)[]> {
    this.#checkOpen()
    const include = reading(() => packGet(options))
    const list = reading(() => listIds(ids))
    const { numbers, texts } = packIds(list)
    return await callPlain(
      this.#native,
      (token) => this.#native.get(token, numbers, texts, include),
      (done) => readItems(list, done.table as NativeTable, this.#dimensions),
    )
  }

  /**
   * All ids, in no particular order, a page at a time. Ids added or deleted meanwhile may be given or not; every other one is
   * given once, unless an `optimize` meanwhile reclaims the room of deleted ones.
   */
  ids(): IterableIterator<Id> {
    this.#checkOpen()
    return this.#pages()
  }

  *#pages(): Generator<Id, void, undefined> {
    for (let from: number | undefined = 0; from !== undefined; ) {
      this.#checkOpen()
      const start: number = from
      const page = native(() => this.#native.ids(start, PAGE))
      yield* unpackIds(page.numbers, page.texts)
      from = page.next
    }
  }

  /** The `k` nearest items, by (distance, id). Runs on a thread of the index. */
  async search(query: Vector | Query, options?: SearchOptions): Promise<Hit[]> {
    this.#checkOpen()
    const dimensions = this.#dimensions
    const { asked, packed } = readSearch(query, options, dimensions)
    const { candidates, verify } = packed
    const begin = this.#startSearch
    const start = (token: number, cancel?: NativeCancel) => {
      const words = packWords(asked, token)
      const failure = verify || cancel ? begin(candidates, words, verify, cancel) : begin(candidates, words)
      if (failure) throw refused(failure, query, dimensions)
    }
    // Plain hits never get here as a table, but where they are too many to be packed.
    return await call(this.#native, { signal: asked.signal }, start, (done) => this.#matches(done).hits(0))
  }

  /** As `search`, on the calling thread. */
  searchSync(query: Vector | Query, options?: SearchOptions): Hit[] {
    this.#checkOpen()
    const dimensions = this.#dimensions
    const { asked, packed } = readSearch(query, options, dimensions)
    asked.signal?.check()
    const { candidates, verify } = packed
    const words = packWords(asked, 0, asked.k <= USUAL ? asked.k : Math.min(asked.k, this.size))
    const answer = verify ? this.#searchNow(candidates, words, verify) : this.#searchNow(candidates, words)
    if (!answer) return readHits(words, 1, words[0] as number, NO_TEXTS)
    if ('code' in answer) throw refused(answer, query, dimensions)
    return new MatchTable(answer, dimensions).hits(0)
  }

  /** The nearest items of each query, by all threads of the index or `options.threads`. */
  async searchBatch(queries: Float32Array | Vector[], options?: SearchOptions): Promise<Matches> {
    this.#checkOpen()
    const asked = reading(() => packSearch(options))
    const block = reading(() => packQueries(queries, this.#dimensions))
    const index = this.#native
    return await call(
      index,
      { signal: asked.signal },
      (token, cancel) => index.searchBatch(block, packWords(asked, token), cancel),
      (done) => this.#matches(done),
    )
  }

  /** Fits the codes to the data and encodes every row anew. Searches go on meanwhile. */
  async train(options: TrainOptions = {}): Promise<TrainReport> {
    this.#checkOpen()
    const control = reading(() => packControl('train options', options, ['sample']))
    const sample = reading(() => checkInteger('train option sample', options.sample, 1))
    const index = this.#native
    return await call(
      index,
      control,
      (token, cancel, progress) => index.train(token, sample, cancel, progress),
      (done) => done.report as TrainReport,
    )
  }

  /** Makes all links and compacts, for search speed. Searches go on meanwhile. */
  async optimize(options: OptimizeOptions = {}): Promise<void> {
    this.#checkOpen()
    const control = reading(() => packControl('optimize options', options))
    const index = this.#native
    return await call(index, control, (token, cancel, progress) => index.optimize(token, cancel, progress), nothing)
  }

  /** Saves what was written so far, so that an index opened `readOnly` finds it. */
  async flush(): Promise<void> {
    this.#checkOpen()
    return await callPlain(this.#native, (token) => this.#native.flush(token), nothing)
  }

  /**
   * Saves the state of this moment, links included, in the directory `path`, which must be new or empty, as an index of its
   * own. Searches and writes go on. An index in memory can be saved so, and one that refuses writes after a failure.
   */
  async snapshot(path: string): Promise<void> {
    this.#checkOpen()
    checkPath(path)
    return await callPlain(this.#native, (token) => this.#native.snapshot(token, path), nothing)
  }

  /**
   * Reads every file and log through and checks every checksum, and what must be true of ids, rows, codes and links. What
   * is wrong is in the report; the promise rejects only if reading fails or the index is closed meanwhile.
   */
  async verify(): Promise<VerifyReport> {
    this.#checkOpen()
    const read = (done: Done): VerifyReport => {
      const { problems, ...figures } = done.verified as NativeVerified
      return { ok: problems.length === 0, problems, ...figures }
    }
    return await callPlain(this.#native, (token) => this.#native.verify(token), read)
  }

  stats(): Stats {
    this.#checkOpen()
    const { coarse, codes, lists, imbalance, ...stats } = native(() => this.#native.stats())
    const trained = lists === undefined ? {} : { lists, imbalance: imbalance as number }
    return { ...stats, chosen: { coarse, codes: unpackCodes(codes), ...trained } }
  }

  /**
   * Refuses new calls, stops running searches (they reject with `E_CLOSED`), finishes the writes accepted so far, saves, and
   * frees what the index holds. May be called again, and gives the same.
   */
  close(): Promise<void> {
    this.#closing ??= callPlain(this.#native, (token) => this.#native.close(token), nothing)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #addBatch({ numbers, texts, vectors, metadata }: Batch, control: Control): Promise<void> {
    this.#checkOpen()
    const index = this.#native
    return await call(
      index,
      control,
      (token, cancel, progress) => index.add(token, numbers, texts, vectors, metadata, cancel, progress),
      nothing,
    )
  }

  #matches(done: Done): MatchTable {
    return new MatchTable(done.table as NativeTable, this.#dimensions)
  }

  #checkOpen(): void {
    if (this.#closing) throw new BigrainError('E_CLOSED', 'the index is closed')
  }
}

function nothing(): void {}

function checkPath(path: unknown): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return
  throw badArgument(`path must be the path of a directory, not ${show(path)}`)
}

/** The signal and progress callback among a method's options, which may have `others` beside. */
function packControl(what: string, options: WriteOptions, others: readonly string[] = []): Control {
  checkNames(what, options, [...others, 'signal', 'onProgress'])
  const { onProgress } = options
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw badArgument(`onProgress must be a function, not ${show(onProgress)}`)
  }
  return { signal: Signal.of(options.signal), onProgress }
}

/** What `get` is to give along. */
function packGet(options: GetOptions): number {
  checkNames('get options', options, ['include'])
  return packInclude(options.include) ?? METADATA | VECTOR
}

/** A checked copy, as a list. Each id is looked at as it comes: what never ends must at least go on giving ids. */
function listIds(ids: unknown): readonly Id[] {
  if (typeof ids !== 'object' || ids === null || !(Symbol.iterator in ids)) {
    throw badArgument(`ids must be an iterable of ids, not ${show(ids)}`)
  }
  const list: Id[] = []
  for (const id of ids as Iterable<unknown>) list.push(checkId(id, 'ids[]', list.length))
  return list
}
