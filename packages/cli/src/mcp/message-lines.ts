/** Longer lines are dropped unread: no message of the protocol that Cairn takes is as long. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024

const LINE_FEED = 0x0a

/** The lines of a byte stream as text, without empty ones; undefined stands for one that was too long. */
export async function* messageLines(input: AsyncIterable<Uint8Array>, maxBytes = MAX_LINE_BYTES): AsyncGenerator<string | undefined> {
  let parts: Uint8Array[] = []
  let size = 0
  const take = (): string | undefined => {
    const line = size > maxBytes ? undefined : Buffer.concat(parts).toString('utf8').trim()
    parts = []
    size = 0
    return line
  }
  for await (const chunk of input) {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      keep(chunk.subarray(start, end))
      const line = take()
      if (line !== '') yield line
      start = end + 1
    }
    keep(chunk.subarray(start))
  }
  const last = take()
  if (last !== '') yield last

  function keep(part: Uint8Array): void {
    size += part.byteLength
    if (size > maxBytes) parts = []
    else parts.push(part)
  }
}
