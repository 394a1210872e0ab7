// node scripts/check-binary.mjs TARGET: what the Linux addon built for TARGET asks of the system it is loaded on.
// A musl build linked by the wrong linker names glibc, and one linked on a new system wants that system's glibc.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { Explained, main, root } from './lib/run.mjs'

/** The oldest glibc that a gnu build has to load with, as the README says. */
const GLIBC = [2, 17]

main(async () => {
  const target = process.argv[2] ?? ''
  const name = fs.readdirSync(root).find((file) => file.startsWith('bigrain.') && file.endsWith('.node'))
  if (!name) throw new Explained('there is no bigrain.*.node here')
  const readelf = (...options) => execFileSync('readelf', [...options, name], { cwd: root, encoding: 'utf8' })
  const needed = [...readelf('-d').matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1])
  console.log(`${name} for ${target} needs ${needed.join(', ')}`)
  if (target.endsWith('-musl')) {
    if (needed.some((library) => library.startsWith('libc.so.6') || library.startsWith('ld-linux'))) throw new Explained('a musl build must not need glibc')
    return
  }
  const versions = [...new Set([...readelf('-V').matchAll(/GLIBC_(\d+)\.(\d+)/g)].map((match) => `${match[1]}.${match[2]}`))]
  console.log(`glibc versions: ${versions.join(', ')}`)
  const newer = versions.filter((version) => {
    const [major, minor] = version.split('.').map(Number)
    return major > GLIBC[0] || (major === GLIBC[0] && minor > GLIBC[1])
  })
  if (newer.length > 0) throw new Explained(`a gnu build must load with glibc ${GLIBC.join('.')}, and this one wants ${newer.join(', ')}`)
})
