// npm test: every check of the project, Rust and TypeScript, and one closing line over all of them.
import path from 'node:path'
import { ensureBuilt } from './lib/ensure.mjs'
import { nodeOf } from './lib/nodes.mjs'
import { countAva, countCargo, Parts } from './lib/parts.mjs'
import { TESTS } from './lib/reliability/rows.mjs'
import { bin, main, root } from './lib/run.mjs'

const NODES = [20, 22, 24]

async function rust(parts) {
  await parts.run('format (cargo fmt)', 'cargo', ['fmt', '--all', '--check'])
  await parts.run('lints (clippy)', 'cargo', ['clippy', '--workspace', '--all-targets', '--locked', '--quiet', '--', '-D', 'warnings'])
  await parts.run('rooms and arrows (xtask)', 'cargo', ['run', '--quiet', '--locked', '--package', 'xtask', '--', 'arrows'])
  await parts.run('Rust tests', 'cargo', ['test', '--workspace', '--locked', '--no-fail-fast'], { count: countCargo })
}

async function typescript(parts) {
  await parts.run('types (tsc)', process.execPath, [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'])
  await parts.run('lints (oxlint)', process.execPath, [bin('oxlint/bin/oxlint'), '--deny-warnings'])
  const here = Number(process.versions.node.split('.')[0])
  for (const major of new Set([here, ...NODES])) {
    const node = await nodeOf(major)
    if (!('executable' in node)) {
      parts.skip(`ava on Node ${major}`, node.missing)
      continue
    }
    // first on the PATH, so that what a test starts as "node" is that one too
    const env = { PATH: `${path.dirname(node.executable)}${path.delimiter}${process.env.PATH}` }
    await parts.run(`ava on Node ${major}`, node.executable, [bin('ava/entrypoints/cli.js')], { count: countAva, env })
  }
}

/** The proofs that no acknowledged write is lost, each a line of its own and one test. */
async function reliability(parts) {
  const front = path.join(root, 'scripts', 'reliability.mjs')
  for (const { name, missing } of TESTS) {
    const why = missing?.()
    if (why) parts.skip(`reliability: ${name}`, why)
    else await parts.run(`reliability: ${name}`, process.execPath, [front, name])
  }
}

main(async () => {
  await ensureBuilt()
  const parts = new Parts()
  await rust(parts)
  await typescript(parts)
  await reliability(parts)
  return parts.close() ? 0 : 1
})
