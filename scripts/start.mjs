// npm start [-- word ...]: from a fresh clone to nearest words. Installs, builds and downloads what is not there yet,
// then runs examples/words.ts.
import path from 'node:path'
import { glove } from './lib/data.mjs'
import { ensureBuilt, nativeSources } from './lib/ensure.mjs'
import { main, root, run } from './lib/run.mjs'

main(async () => {
  await ensureBuilt()
  await glove()
  const example = path.join(root, 'examples', 'words.ts')
  const { code } = await run(process.execPath, ['--import', '@oxc-node/core/register', example, ...process.argv.slice(2)], {
    env: { BIGRAIN_BUILD: nativeSources() },
  })
  return code
})
