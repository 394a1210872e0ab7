// "Ensure installed, ensure built": every command of the project may be the first one run on a fresh clone.
// What an artifact was made from is kept as a hash beside it, so a checkout that only touches times rebuilds nothing.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { bin, dataDir, exists, Explained, must, npm, root } from './run.mjs'

const stampFile = (name) => path.join(dataDir, 'stamps', name)

function readStamp(name) {
  try {
    return fs.readFileSync(stampFile(name), 'utf8')
  } catch {
    return undefined
  }
}

function writeStamp(name, text) {
  fs.mkdirSync(path.dirname(stampFile(name)), { recursive: true })
  fs.writeFileSync(stampFile(name), text)
}

/** All files below `relative` (or that one file), sorted, as paths from the root. */
function filesBelow(relative) {
  const full = path.join(root, relative)
  const stat = fs.statSync(full, { throwIfNoEntry: false })
  if (!stat) return []
  if (stat.isFile()) return [relative]
  return fs.readdirSync(full).toSorted().flatMap((name) => (name === 'node_modules' || name === 'target' ? [] : filesBelow(path.join(relative, name))))
}

/** One hash over the names and contents of everything below `sources`, and over `extra`. */
function hashOf(sources, extra = '') {
  const hash = createHash('sha256').update(extra)
  for (const file of sources.flatMap(filesBelow)) {
    const content = fs.readFileSync(path.join(root, file))
    hash.update(`\n${file.split(path.sep).join('/')} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

/** A hash of all that decides what the addon does. Indexes that the examples build are tied to it. */
export const nativeSources = () =>
  hashOf(['Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml', 'crates'], `${process.platform} ${process.arch} ${process.env.RUSTFLAGS ?? ''}`)

/** Installs the development dependencies by the lock file, unless that very lock file was installed before. */
export async function ensureInstalled() {
  const wanted = hashOf(['package-lock.json'])
  const marker = path.join(root, 'node_modules', '.bigrain-installed')
  const read = () => (fs.existsSync(marker) ? fs.readFileSync(marker, 'utf8') : undefined)
  if (read() === wanted) return
  // `npm install` or `npm ci` by hand leaves npm's own marker, newer than the lock file
  const npmMarker = fs.statSync(path.join(root, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false })
  if (!npmMarker || npmMarker.mtimeMs < fs.statSync(path.join(root, 'package-lock.json')).mtimeMs) {
    console.log('Installing the development dependencies (npm ci) ...')
    await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  }
  fs.writeFileSync(marker, wanted)
}

const addonFile = () => fs.readdirSync(root).find((name) => /^bigrain\..*\.node$/.test(name))

/** Builds the addon, unless there is one made from the same Rust sources. */
export async function ensureNative() {
  await ensureInstalled()
  const wanted = nativeSources()
  const complete = addonFile() && ['native.cjs', 'native.d.cts'].every((name) => fs.existsSync(path.join(root, name)))
  if (complete && readStamp('native') === wanted) return
  if (!exists('cargo')) {
    throw new Explained('Rust is needed to build the addon, and no `cargo` was found. Install it from https://rustup.rs and run this again.')
  }
  console.log(`Building the addon (${complete ? 'its Rust sources changed' : 'there is none yet'}) ...`)
  await must(process.execPath, [
    bin('@napi-rs/cli/dist/cli.js'), 'build', '--platform', '--release', '--manifest-path', 'crates/node/Cargo.toml',
    '--output-dir', '.', '--js', 'native.cjs', '--dts', 'native.d.cts',
  ])
  writeStamp('native', wanted)
}

/** Compiles index.ts and ts/ into dist/, unless that was done from the same sources. */
export async function ensureDist() {
  await ensureInstalled()
  const wanted = hashOf(['index.ts', 'ts', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'native.d.cts'])
  const complete = fs.existsSync(path.join(root, 'dist', 'index.js'))
  if (complete && readStamp('dist') === wanted) return
  console.log('Compiling the TypeScript facade ...')
  fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true })
  await must(process.execPath, [bin('typescript/bin/tsc'), '-p', 'tsconfig.build.json'])
  writeStamp('dist', wanted)
}

/** Everything that `import 'bigrain'` needs. */
export async function ensureBuilt() {
  await ensureNative()
  await ensureDist()
}
