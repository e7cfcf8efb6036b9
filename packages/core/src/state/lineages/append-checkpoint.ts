import { CairnError } from '../../errors/index.ts'
import { canonicalJson } from '../canonical-json.ts'
import type { PutOp } from './append-batch.ts'
import type { ChannelValue, LineageContent } from './content.ts'
import { type KnownContent, knownContent } from './content-cache.ts'
import { encodeFrame, sameContent } from './frame.ts'
import { uuidv7 } from '../../ids/index.ts'
import { type Lineage, checkPart, invalid } from './lineage-id.ts'
import { SELECT_FENCED_CHILD } from './lineage-queries.ts'
import type { AppendCheckpoint } from './lineage-types.ts'
import { replaceContent } from './rewrite.ts'
import { type SpaceContext, checkTtl } from './space-context.ts'

/** Frames of changes in a row, of a small checkpoint; of a large one more, as reading it whole takes longer too. */
const LEAST_LINKS = 64
const MOST_LINKS = 1_024
const BYTES_A_LINK = 1_024
/** So many bytes of changes may follow a whole frame even if that one is smaller. */
const LEAST_CHAIN_BYTES = 16_384
const TRIES = 4

/** Puts of one checkpoint go one after the other; a put waits for the put of its parent. */
export function appendCheckpoint(space: SpaceContext, input: AppendCheckpoint): Promise<void> {
  const lineage = space.lineage(input)
  checkPart('id', input.id)
  const parentId = input.parentId === undefined ? '' : checkPart('id', input.parentId, true)
  if (parentId === input.id) throw invalid('parentId', 'a checkpoint cannot be its own parent.')
  checkMetadata(input.metadata)
  checkTtl(input.ttlMs)
  const { underWay } = space.core
  const key = space.writeKey(lineage, input.id)
  const before = underWay.get(key)
  const run = before === undefined ? put(space, lineage, parentId, input) : before.catch(() => undefined).then(() => put(space, lineage, parentId, input))
  underWay.set(key, run)
  const done = (): void => {
    if (underWay.get(key) === run) underWay.delete(key)
  }
  run.then(done, done)
  return run
}

async function put(space: SpaceContext, lineage: Lineage, parentId: string, input: AppendCheckpoint): Promise<void> {
  const base = parentId === '' ? undefined : await parentContent(space, lineage, parentId)
  const content = await contentOf(input, parentId, base)
  const metadata = content.exactMetadata === '' ? input.metadata : forJsonb(input.metadata)
  const fenced = space.fenced && input.fork !== true
  const stored = (from: KnownContent | undefined): Promise<void> => store(space, lineage, parentId, input, content, metadata, fenced, from)
  if (!space.hot) return stored(base)
  const { cache, journal } = space.core
  const before = cache.get(space.cacheKey(lineage), input.id)
  // It was there when this process last saw it; SQL knows whether it still is, and with which metadata.
  if (before !== undefined) {
    await journal.flushed(space.tenant, lineage.id)
    return stored(base)
  }
  const { op, known } = makePut(space, lineage, parentId, input, content, metadata, false, base)
  await journal.put(space.tenant, op, async (outcome) => {
    if (!outcome.stored) await stored(undefined)
  })
  remember(space, lineage, input.id, known)
}

function remember(space: SpaceContext, lineage: Lineage, id: string, known: KnownContent): void {
  space.core.cache.set(space.cacheKey(lineage), id, known)
  space.core.cache.sawNewest(space.cacheKey(lineage), id)
}

async function store(
  space: SpaceContext,
  lineage: Lineage,
  parentId: string,
  input: AppendCheckpoint,
  content: LineageContent,
  metadata: string,
  fenced: boolean,
  base: KnownContent | undefined,
): Promise<void> {
  let build = base
  for (let tries = 0; tries < TRIES; tries++) {
    const { op, known } = makePut(space, lineage, parentId, input, content, metadata, fenced, build)
    const outcome = await space.core.append(space.tenant, op)
    if (outcome.stored) {
      remember(space, lineage, input.id, known)
      return
    }
    if (await settled(space, lineage, parentId, input, content, metadata, fenced)) return
    // What it builds on is gone or has changed.
    build = undefined
  }
  throw new CairnError('SERIALIZATION_FAILURE', `Checkpoint ${input.id} of thread ${lineage.thread} could not be appended: others kept changing the thread. Try again.`)
}

/** Why SQL left it out: it is there already, or a fenced sibling won. False: what it was based on is gone. */
async function settled(space: SpaceContext, lineage: Lineage, parentId: string, input: AppendCheckpoint, content: LineageContent, metadata: string, fenced: boolean): Promise<boolean> {
  const known = space.core.cache.get(space.cacheKey(lineage), input.id)
  const stored = await space.readStored(lineage, input.id, known, true)
  if (stored !== undefined) {
    const there = space.content(lineage, stored, known)
    if (sameContent(there.content, content) && canonicalMetadata(stored.metadata) === canonicalMetadata(metadata)) return true
    if (fenced) throw conflict(lineage, parentId, input.id, 'has other content')
    await replaceContent(space, lineage, input.id, content, metadata)
    return true
  }
  if (!fenced) return false
  const { rows } = await space.core.sql.query<{ id: string }>(space.core.identity(space.tenant), SELECT_FENCED_CHILD, [space.tenant, lineage.id, parentId])
  if (rows[0] !== undefined) throw conflict(lineage, parentId, rows[0].id, 'won')
  return false
}

function conflict(lineage: Lineage, parentId: string, winner: string, how: string): CairnError {
  const from = parentId === '' ? 'the beginning' : `checkpoint ${parentId}`
  return new CairnError('VERSION_CONFLICT', `Thread ${lineage.thread}: another writer went on from ${from}; checkpoint ${winner} ${how}. Read the thread again and go on from there.`, {
    details: { thread: lineage.thread, parentId, winner },
  })
}

async function parentContent(space: SpaceContext, lineage: Lineage, parentId: string): Promise<KnownContent | undefined> {
  await space.core.underWay.get(space.writeKey(lineage, parentId))?.catch(() => undefined)
  const known = space.core.cache.get(space.cacheKey(lineage), parentId)
  if (known !== undefined) return known
  const near = space.core.cache.newest(space.cacheKey(lineage))
  const stored = await space.read(lineage, parentId, near, true)
  return stored === undefined ? undefined : space.content(lineage, stored, near)
}

async function contentOf(input: AppendCheckpoint, parentId: string, base: KnownContent | undefined): Promise<LineageContent> {
  let changed = input.changed
  if (base === undefined && parentId !== '' && input.complete !== undefined) changed = new Map([...(await input.complete()), ...input.changed])
  const channels = new Map<string, ChannelValue>()
  if (base !== undefined) {
    for (const [name, channel] of base.content.channels) {
      const next = changed.get(name) ?? (input.versions.get(name) === channel.version ? channel : undefined)
      if (next !== undefined) channels.set(name, next)
    }
  }
  for (const [name, channel] of changed) channels.set(name, channel)
  return { body: input.body, channels, exactMetadata: fitsJsonb(input.metadata) ? '' : input.metadata }
}

function makePut(
  space: SpaceContext,
  lineage: Lineage,
  parentId: string,
  input: AppendCheckpoint,
  content: LineageContent,
  metadata: string,
  fenced: boolean,
  base: KnownContent | undefined,
): { op: PutOp; known: KnownContent } {
  const place = space.place(lineage, input.id, 'frame')
  const frameId = uuidv7()
  let known = knownContent(content, frameId, 0, 0)
  let frame: Uint8Array | undefined
  if (base !== undefined && base.links < Math.min(MOST_LINKS, Math.max(LEAST_LINKS, known.wholeBytes / BYTES_A_LINK))) {
    const changes = space.sealer.seal(encodeFrame(content, base.content), place)
    const chainBytes = base.chainBytes + changes.length
    if (chainBytes <= Math.max(LEAST_CHAIN_BYTES, known.wholeBytes)) {
      frame = changes
      known = { ...known, links: base.links + 1, chainBytes }
    }
  }
  const whole = frame === undefined || base === undefined
  const op: PutOp = {
    kind: 'put', lineage, id: input.id, parentId, frameId, fenced, metadata,
    base: whole ? undefined : { id: parentId, frameId: base.frameId },
    ttlMs: input.ttlMs ?? space.ttlMs,
    frame: frame ?? space.sealer.seal(encodeFrame(content), place),
  }
  return { op, known }
}

function checkMetadata(text: string): void {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new CairnError('INVALID_ARGUMENT', `metadata: it is not JSON: ${(error as Error).message}`, { cause: error, details: { field: 'metadata' } })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('metadata', 'it must be the JSON of an object.')
  if (text.length >= 2 * MOST_DEPTH && !isShallow(text)) throw invalid('metadata', `it is more than ${MOST_DEPTH} levels deep.`)
  if (HUGE_EXPONENT.test(text) && hasInfinity(value)) throw invalid('metadata', 'it has a number that no database takes.')
}

/** PostgreSQL's own JSON parser runs out of stack on deeper ones; what it refuses, the hot tier must not acknowledge. */
const MOST_DEPTH = 500
const HUGE_EXPONENT = /\de\+?\d{3}/i

/** Texts are passed over as a whole. */
function isShallow(text: string): boolean {
  let depth = 0
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth++
    else if (token === ']' || token === '}') depth--
    if (depth > MOST_DEPTH) return false
  }
  return true
}

function hasInfinity(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY
  return Object.values(value).some((each) => hasInfinity(each))
}

/** jsonb takes neither U+0000 nor lone surrogates. */
function fitsJsonb(text: string): boolean {
  return !/\\u0000|\\ud[89a-f]/i.test(text) && text.isWellFormed()
}

function forJsonb(text: string): string {
  return text.replaceAll(/\\u0000|\\ud[89a-f][0-9a-f]{2}/gi, '\\ufffd').toWellFormed()
}

function canonicalMetadata(text: string): string {
  return canonicalJson(JSON.parse(text))
}
