import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Writes a file that appears under its name when it is whole: what was there stays when the parts break off. */
export async function writeWhole(file: string, parts: AsyncIterable<string | Uint8Array>, ...through: Transform[]): Promise<void> {
  const unfinished = `${file}.part`
  try {
    await pipeline([Readable.from(parts, { objectMode: false }), ...through, createWriteStream(unfinished)])
    await rename(unfinished, file)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}
