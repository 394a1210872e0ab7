import test from 'ava'
import { syncsOf } from './strace.ts'

const FOLDER = '/data/store'
const mark = (n: number) => `7 access("/bigrain-mark-${n}", F_OK) = -1 ENOENT (No such file or directory)`
const sync = (thread = 8) => `${thread} fdatasync(21</data/store/log-1.grain>) = 0`

const traced = (...lines: string[]) => syncsOf([`7 openat(AT_FDCWD, "/data/store/log-1.grain", O_RDWR) = 21</data/store/log-1.grain>`, sync(), ...lines].join('\n'), FOLDER, 2, 10)

test('an add is durable where a sync began and ended well between its marks', (t) => {
  t.like(traced(mark(0), sync(), mark(1), sync(), mark(2), sync(), mark(3)), { durableAdds: 2, calls: { fdatasync: 2 }, callersSyncs: 1 })
  const both = traced(mark(0), '8 fdatasync(21</data/store/log-1.grain> <unfinished ...>', '7 write(1, "", 0) = 0', '8 <... fdatasync resumed>) = 0', mark(1), sync(), mark(2), mark(3))
  t.is(both.durableAdds, 2)
})

test('what began before, failed, or was of another file is not counted', (t) => {
  t.is(traced(mark(0), mark(1), mark(2), mark(3)).durableAdds, 0)
  t.is(traced(mark(0), '8 fsync(3</data/other>) = 0', mark(1), '8 fsync(21</data/store/x>) = -1 EIO (Input/output error)', mark(2), mark(3)).durableAdds, 0)
  const late = traced(mark(0), '8 fsync(21</data/store/x> <unfinished ...>', mark(1), '8 <... fsync resumed>) = 0', mark(2), mark(3))
  t.is(late.durableAdds, 0)
  t.deepEqual(late.calls, { fsync: 1 })
})

test('a file opened for synced writes is named', (t) => {
  const calls = traced(mark(0), '8 openat(AT_FDCWD, "/data/store/log-2.grain", O_RDWR|O_DSYNC) = 22', mark(1), mark(2), mark(3)).calls
  t.deepEqual(calls, { 'files opened with O_SYNC or O_DSYNC': 1 })
})
