import { createHash } from 'node:crypto'
import { canonicalJson, checkStateKey, checkTag, checksumOf } from '../../state/index.ts'
import { malformed } from './export-agent.ts'
import { FILE_KIND, FILE_VERSION, type FileLine, LINE_KINDS, type LineKind, PLACE } from './file-format.ts'

/** Opens the file again from its beginning. */
export type FileSource = () => AsyncIterable<Uint8Array>

/** No line of ours comes near it: a manifest of 100,000 keys has 10 MB. */
const LONGEST_LINE = 256 * 1024 * 1024
const HEX_64 = /^[0-9a-f]{64}$/

/** The lines of a file, one after the other. IMPORT_MALFORMED with `details.line` and `details.offset` for what is not one. */
export async function* readLines(source: FileSource): AsyncGenerator<FileLine & { readonly raw: Uint8Array; readonly line: number; readonly offset: number }> {
  let line = 1
  let offset = 0
  for await (const raw of splitLines(source())) {
    yield { ...parseLine(raw, line, offset), raw, line, offset }
    offset += raw.length
    line++
  }
}

/** Reads the whole file and checks form, order, hashes and checksum, so that nothing is stored of one that is damaged. */
export async function verifyFile(source: FileSource): Promise<{ sha256: string; agent: Extract<FileLine, { kind: 'agent' }>['body'] }> {
  const hash = createHash('sha256')
  const values = new Set<string>()
  let place = -1
  let lines = 0
  let at = { line: 1, offset: 0 }
  let agent: Extract<FileLine, { kind: 'agent' }>['body'] | undefined
  let end: Extract<FileLine, { kind: 'end' }>['body'] | undefined
  for await (const each of readLines(source)) {
    at = { line: each.line, offset: each.offset + each.raw.length }
    const refuse = (why: string): Error => malformed(each.line, each.offset, why)
    if (end !== undefined) throw refuse('something follows the last line')
    const next = PLACE[each.kind]
    if (next < place || (next > 1 && place < 1) || (next === 1 && place !== 0) || (next === 0 && place !== -1)) throw refuse(`a line "${each.kind}" may not stand here`)
    place = next
    const wrong = check(each, values)
    if (wrong !== undefined) throw refuse(wrong)
    if (each.kind === 'agent') agent = each.body
    if (each.kind === 'end') end = each.body
    else {
      hash.update(each.raw)
      lines++
    }
  }
  if (end === undefined || agent === undefined) throw malformed(at.line, at.offset, 'it ends before its last line; it was cut off')
  const sha256 = hash.digest('hex')
  if (end.lines !== lines || end.sha256 !== sha256) throw malformed(at.line, at.offset, 'its SHA-256 checksum does not match; it was changed or damaged')
  return { sha256, agent }
}

/** What is wrong with a line, if anything. `values` are the hashes of the values before it. */
function check(each: FileLine, values: Set<string>): string | undefined {
  try {
    switch (each.kind) {
      case 'cairn':
        if (each.body.kind !== FILE_KIND) return 'it is not an agent file'
        return each.body.version === FILE_VERSION ? undefined : `it is of version ${String(each.body.version)}, and this program reads version ${FILE_VERSION}`
      case 'agent':
        return [each.body.name, each.body.key, each.body.type].every((text) => typeof text === 'string' && text !== '') ? undefined : 'the agent has no name, key or type'
      case 'capability':
        return typeof each.body.name === 'string' ? undefined : 'the capability has no name'
      case 'dependency':
        return typeof each.body.dependsOn === 'string' && typeof each.body.kind === 'string' ? undefined : 'the dependency is incomplete'
      case 'value':
        if (each.body.value === undefined || checksumOf(canonicalJson(each.body.value)) !== each.body.hash) return 'the value does not match its hash'
        values.add(each.body.hash)
        return undefined
      case 'checkpoint': {
        const { id, name, trigger, metadata, tags, keyCount, checksum, createdAt, changed } = each.body
        if (typeof id !== 'string' || !isText(trigger, 100) || (name !== null && !isText(name, 255)) || typeof metadata !== 'object' || metadata === null || !Array.isArray(tags) || !Number.isSafeInteger(keyCount) || !Array.isArray(changed)) return 'the checkpoint is incomplete'
        canonicalJson(metadata)
        for (const tag of tags) checkTag(tag)
        if (!HEX_64.test(checksum) || Number.isNaN(Date.parse(createdAt))) return 'the checkpoint has no checksum or time'
        for (const [key, hash] of changed) {
          checkStateKey(key)
          if (hash !== null && !values.has(hash)) return `the checkpoint names a value that is not in the file: ${String(hash)}`
        }
        return undefined
      }
      case 'state': {
        checkStateKey(each.body.key)
        if ('deleted' in each.body) return undefined
        if (each.body.value === undefined) return 'the state has no value'
        canonicalJson(each.body.value)
        return each.body.expiresAt === null || !Number.isNaN(Date.parse(each.body.expiresAt)) ? undefined : 'expiresAt is not a time'
      }
      case 'end':
        return HEX_64.test(each.body.sha256) ? undefined : 'the last line has no checksum'
    }
  } catch (error) {
    return error instanceof Error ? error.message.replace(/\.$/, '') : String(error)
  }
}

function isText(value: unknown, most: number): boolean {
  return typeof value === 'string' && value !== '' && value.length <= most && !value.includes('\u0000') && value.isWellFormed()
}

function parseLine(raw: Uint8Array, line: number, offset: number): FileLine {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw)) as unknown
  } catch (error) {
    throw malformed(line, offset, `it is not JSON (${error instanceof Error ? error.message : String(error)})`)
  }
  const kind = typeof parsed === 'object' && parsed !== null ? Object.keys(parsed)[0] : undefined
  if (kind === undefined || !(LINE_KINDS as readonly string[]).includes(kind) || Object.keys(parsed as object).length !== 1) throw malformed(line, offset, `a line is an object with one of ${LINE_KINDS.join(', ')}`)
  const content = (parsed as Record<string, unknown>)[kind]
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw malformed(line, offset, `"${kind}" is not an object`)
  return { kind: kind as LineKind, body: content } as FileLine
}

/** Each line with its end. */
async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end + 1)])
      parts = []
      length = 0
      from = end + 1
    }
    if (from < chunk.length) parts.push(chunk.subarray(from))
    length += chunk.length - from
    if (length > LONGEST_LINE) throw malformed(0, 0, `a line is longer than ${LONGEST_LINE} bytes`)
  }
  if (length > 0) yield Buffer.concat(parts)
}
