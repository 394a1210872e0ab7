// A campaign goes on where it was stopped.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { missingPieces, piecesOf, readPieces } from './campaign.mjs'
import { ROWS } from './rows.mjs'

test('the pieces of a row add up to its size, each with a seed of its own', (t) => {
  const pieces = piecesOf([{ name: 'some', campaign: { count: 1003 }, parts: 10 }], 5)
  t.is(pieces.reduce((sum: number, { options }: { options: { count: number } }) => sum + options.count, 0), 1003)
  t.deepEqual(pieces.map(({ options }: { options: { seed: number } }) => options.seed), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
  t.is(new Set(piecesOf(ROWS).map(({ command }: { command: string }) => command)).size, piecesOf(ROWS).length)
})

test('pieces that are done are left out, those with findings and those that were cut off are not', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'bigrain-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'campaign.jsonl')
  t.deepEqual(readPieces(file), [])
  const pieces = piecesOf([{ name: 'some', campaign: { count: 9 }, parts: 4 }])
  const [first, second, third, fourth] = pieces as { command: string }[]
  writeFileSync(file, `${JSON.stringify({ command: first?.command, code: 0 })}\n${JSON.stringify({ command: second?.command, code: 1 })}\n${JSON.stringify({ command: third?.command, code: 0 }).slice(0, -2)}`)
  t.deepEqual(missingPieces(pieces, readPieces(file)), [second, third, fourth])
})
