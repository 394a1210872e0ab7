// One adapter an engine: a durable store of rows by number id. Each is called in the form it is fastest with.
import path from 'node:path'
import { Index } from 'bigrain'
import { peers } from './peers.ts'
import { DIMENSIONS, rowOf } from './rows.ts'

export type Durability = 'sync' | 'os'

/** What a method gives back is awaited; engines that block give nothing to wait for. */
export interface Store {
  add(id: number, vector: Float32Array): unknown
  /** All or nothing. `vectors` is row-major. */
  addMany(ids: Uint32Array, vectors: Float32Array): unknown
  count(): number | Promise<number>
  get(id: number): Float32Array | undefined | Promise<Float32Array | undefined>
  close(): unknown
}

export interface Engine {
  /** What has to be installed for it. */
  needs?: 'LanceDB' | 'sqlite-vec'
  /** The durabilities it can be asked for. */
  durabilities: readonly Durability[]
  /** Only for callers at once: elsewhere it is the engine without this. */
  grouped?: boolean
  /** The goals name it; others are there to compare with. */
  goal: boolean
  /** How it is set up. */
  how(durability: Durability): string
  open(folder: string, durability: Durability): Promise<Store>
}

const bigrain = (options: { coarse?: 'flat' }, goal: boolean): Engine => ({
  durabilities: ['sync', 'os'],
  goal,
  how: (durability) => `Index.open(path, { dimensions: ${DIMENSIONS}${options.coarse ? `, coarse: '${options.coarse}'` : ''}, durability: '${durability}' })`,
  async open(folder, durability) {
    const index = await Index.open(folder, { dimensions: DIMENSIONS, durability, ...options })
    return {
      add: (id, vector) => index.add([{ id, vector }]),
      addMany: (ids, vectors) => index.add({ ids, vectors }),
      count: () => index.size,
      get: async (id) => (await index.get([id]))[0]?.vector as Float32Array | undefined,
      close: () => index.close(),
    }
  },
})

/** For 'os' the commit leaves the sync out (OFF): the process may die, the machine may not. NORMAL syncs at checkpoints, and is slower. */
const SYNCHRONOUS = { sync: 'FULL', os: 'OFF' } as const

/** A `vec0` table is what sqlite-vec makes of vectors; a plain one with a blob is searched by its scalar functions. */
const TABLES = {
  vec0: `CREATE VIRTUAL TABLE IF NOT EXISTS items USING vec0(id INTEGER PRIMARY KEY, vector float[${DIMENSIONS}] distance_metric=cosine)`,
  plain: 'CREATE TABLE IF NOT EXISTS items(id INTEGER PRIMARY KEY, vector BLOB NOT NULL)',
}

const sqlite = (table: keyof typeof TABLES, goal: boolean): Engine => ({
  needs: 'sqlite-vec',
  durabilities: ['sync', 'os'],
  goal,
  how: (durability) =>
    `sqlite-vec ${peers.version('sqlite-vec')}, better-sqlite3 ${peers.version('better-sqlite3')}; ${table === 'vec0' ? 'vec0 table' : 'plain table with a blob'}, WAL, synchronous=${SYNCHRONOUS[durability]}`,
  async open(folder, durability) {
    const Database = peers.load('better-sqlite3')
    const db = new Database(path.join(folder, 'items.db'))
    peers.load('sqlite-vec').load(db)
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${SYNCHRONOUS[durability]}`)
    db.exec(TABLES[table])
    const insert = db.prepare('INSERT INTO items(id, vector) VALUES (?, ?)')
    const read = db.prepare('SELECT vector FROM items WHERE id = ?').pluck()
    // vec0 takes only 64-bit integers for ids, which are BigInt here
    const insertMany = db.transaction((ids: Uint32Array, vectors: Float32Array) => {
      for (let row = 0; row < ids.length; row++) insert.run(BigInt(ids[row] as number), rowOf(vectors, row))
    })
    return {
      add: (id, vector) => { insert.run(BigInt(id), vector) },
      addMany: (ids, vectors) => { insertMany(ids, vectors) },
      count: () => db.prepare('SELECT count(*) FROM items').pluck().get() as number,
      get: (id) => {
        const blob = read.get(BigInt(id)) as Buffer | undefined
        return blob && new Float32Array(new Uint8Array(blob).buffer)
      },
      close: () => { db.close() },
    }
  },
})

/** LanceDB's fastest input: an Arrow table over the caller's own numbers. */
function arrowTables() {
  const arrow = peers.load('apache-arrow')
  const list = new arrow.FixedSizeList(DIMENSIONS, new arrow.Field('item', new arrow.Float32(), true))
  const schema = new arrow.Schema([new arrow.Field('id', new arrow.Int64(), false), new arrow.Field('vector', list, false)])
  const make = (ids: Uint32Array, vectors: Float32Array) => {
    const length = ids.length
    const id = arrow.makeData({ type: new arrow.Int64(), length, nullCount: 0, data: BigInt64Array.from(ids, BigInt) })
    const values = arrow.makeData({ type: new arrow.Float32(), length: vectors.length, nullCount: 0, data: vectors })
    const vector = arrow.makeData({ type: list, length, nullCount: 0, child: values })
    const rows = arrow.makeData({ type: new arrow.Struct(schema.fields), length, nullCount: 0, children: [id, vector] })
    return new arrow.Table(schema, new arrow.RecordBatch(schema, rows))
  }
  return { schema, make }
}

const lancedb: Engine = {
  needs: 'LanceDB',
  durabilities: ['os'],
  goal: true,
  how: () => `@lancedb/lancedb ${peers.version('@lancedb/lancedb')}; table.add of Arrow rows, no index; it has no setting for durability`,
  async open(folder) {
    const { schema, make } = arrowTables()
    const db = await peers.load('@lancedb/lancedb').connect(folder)
    const table = (await db.tableNames()).includes('items') ? await db.openTable('items') : await db.createEmptyTable('items', schema)
    return {
      add: (id, vector) => table.add(make(Uint32Array.of(id), vector)),
      addMany: (ids, vectors) => table.add(make(ids, vectors)),
      count: () => table.countRows(),
      get: async (id) => {
        const [row] = await table.query().where(`id = ${id}`).toArray()
        return row && Float32Array.from(row.vector)
      },
      close: () => { table.close(); db.close() },
    }
  },
}

/** What a caller could write around an engine that does not do it: rows that wait together go in as one atomic batch. */
class Grouped implements Store {
  readonly #store: Store
  #waiting: { id: number; vector: Float32Array; done: () => void; failed: (error: unknown) => void }[] = []
  #busy = false

  constructor(store: Store) {
    this.#store = store
  }

  add(id: number, vector: Float32Array): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ id, vector, done, failed })
      if (this.#busy) return
      this.#busy = true
      setImmediate(() => this.#write())
    })
  }

  async #write(): Promise<void> {
    const group = this.#waiting
    this.#waiting = []
    const vectors = new Float32Array(group.length * DIMENSIONS)
    group.forEach(({ vector }, row) => vectors.set(vector, row * DIMENSIONS))
    try {
      await this.#store.addMany(Uint32Array.from(group, ({ id }) => id), vectors)
      group.forEach(({ done }) => done())
    } catch (error) {
      group.forEach(({ failed }) => failed(error))
    }
    this.#busy = this.#waiting.length > 0
    if (this.#busy) setImmediate(() => this.#write())
  }

  addMany(ids: Uint32Array, vectors: Float32Array): unknown {
    return this.#store.addMany(ids, vectors)
  }

  count(): number | Promise<number> {
    return this.#store.count()
  }

  get(id: number): Float32Array | undefined | Promise<Float32Array | undefined> {
    return this.#store.get(id)
  }

  close(): unknown {
    return this.#store.close()
  }
}

const grouped = (engine: Engine): Engine => ({
  ...engine,
  grouped: true,
  goal: false,
  how: (durability) => `${engine.how(durability)}; callers that wait together share a transaction that the caller wrote by hand`,
  open: async (folder, durability) => new Grouped(await engine.open(folder, durability)),
})

/** By the name that tables show. */
export const ENGINES: Record<string, Engine> = {
  'bigrain': bigrain({}, true),
  'bigrain flat': bigrain({ coarse: 'flat' }, false),
  'sqlite-vec': sqlite('vec0', true),
  'sqlite-vec grouped': grouped(sqlite('vec0', true)),
  'plain sqlite': sqlite('plain', false),
  'plain sqlite grouped': grouped(sqlite('plain', false)),
  'LanceDB': lancedb,
  'LanceDB grouped': grouped(lancedb),
}
