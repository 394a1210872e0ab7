// npm run bench: benches/main.ts over a built package.
import path from 'node:path'
import { ensureBuilt } from './lib/ensure.mjs'
import { main, root, run } from './lib/run.mjs'

main(async () => {
  await ensureBuilt()
  const program = path.join(root, 'benches', 'main.ts')
  return (await run(process.execPath, ['--import', '@oxc-node/core/register', program, ...process.argv.slice(2)])).code
})
