// Other Node versions to run the tests in: their binaries come as npm packages.
import fs from 'node:fs'
import path from 'node:path'
import { makeOnce, visitPackage } from './packages.mjs'

/**
 * A Node of the given major version: this process's own, or one fetched (about 50 MB) into .data.
 * @returns {Promise<{ executable: string } | { missing: string }>} missing: why it cannot be had
 */
export async function nodeOf(major) {
  if (process.versions.node.startsWith(`${major}.`)) return { executable: process.execPath }
  const system = process.platform === 'win32' ? 'win' : process.platform
  const name = system === 'win' ? 'node.exe' : 'node'
  try {
    const folder = await makeOnce(`node-${major}`, async (to) => {
      await visitPackage(`node-${system}-${process.arch}@${major}`, (file, bytes) => {
        if (file === `bin/${name}`) fs.writeFileSync(path.join(to, name), bytes, { mode: 0o755 })
      })
      if (!fs.existsSync(path.join(to, name))) throw new Error('the package holds no Node')
    })
    return { executable: path.join(folder, name) }
  } catch (error) {
    const said = String(error.message)
    return { missing: /^npm error (?!code)(.+)/m.exec(said)?.[1] ?? said.split('\n')[0] }
  }
}
