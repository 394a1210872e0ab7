// Messages from a child to its parent over a pipe: a length and a serialized value each. They are written at once and not
// queued, so that what a child has said before it is killed arrives, whatever the moment.
import fs from 'node:fs'
import v8 from 'node:v8'

/** The descriptor that a child finds its pipe at. */
export const PIPE = 3

function writeAll(bytes) {
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(PIPE, bytes, at)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error // the parent has not read yet
    }
  }
}

/** Sends `message`; has left this process when it returns. */
export function send(message) {
  const body = v8.serialize(message)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(body.length)
  writeAll(Buffer.concat([head, body]))
}

/** Calls `onMessage` for each whole message of a stream. A message that the child's end cut off is dropped. */
export function receive(stream, onMessage) {
  let parts = []
  let held = 0
  stream.on('data', (chunk) => {
    parts.push(chunk)
    held += chunk.length
    while (held >= 4) {
      if (parts[0].length < 4) parts = [Buffer.concat(parts)]
      const end = 4 + parts[0].readUInt32LE(0)
      if (held < end) return
      const all = parts.length === 1 ? parts[0] : Buffer.concat(parts)
      parts = all.length > end ? [all.subarray(end)] : []
      held -= end
      onMessage(v8.deserialize(all.subarray(4, end)))
    }
  })
}
