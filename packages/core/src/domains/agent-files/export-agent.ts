import { createHash } from 'node:crypto'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { Page } from '../../paging/index.ts'
import { type Checkpoint, CheckpointStore, type CheckpointsService, type Manifest, type StateCore, deltaOf, isLive, readAgent } from '../../state/index.ts'
import type { AgentsService } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { AGENT_FIELDS, FILE_KIND, FILE_VERSION, type FileLines, type LineKind } from './file-format.ts'

const VALUES_AT_ONCE = 500

export interface AgentFileDeps {
  readonly context: DomainContext
  readonly core: StateCore
  readonly agents: AgentsService
  readonly checkpoints: CheckpointsService
}

/** The lines of the file, with their ends. Memory holds names of keys and hashes, not values. */
export async function* exportAgent(deps: AgentFileDeps, agent: string): AsyncGenerator<string> {
  const hash = createHash('sha256')
  let lines = 0
  for await (const line of body(deps, agent)) {
    hash.update(line)
    lines++
    yield line
  }
  yield lineOf('end', { lines, sha256: hash.digest('hex') })
}

async function* body({ context, core, agents, checkpoints }: AgentFileDeps, idOrKey: string): AsyncGenerator<string> {
  const agent = await agents.get(idOrKey)
  yield lineOf('cairn', { kind: FILE_KIND, version: FILE_VERSION, exportedAt: new Date().toISOString() })
  yield lineOf('agent', Object.fromEntries(AGENT_FIELDS.map((field) => [field, agent[field]])) as FileLines['agent'])
  for await (const { name, version, parameters, enabled } of items((cursor) => agents.capabilities.list(agent.id, cursor))) yield lineOf('capability', { name, version, parameters, enabled })
  for await (const { dependsOnId, kind } of items((cursor) => agents.dependencies.list(agent.id, cursor))) {
    yield lineOf('dependency', { dependsOn: (await agents.get(dependsOnId)).key, kind })
  }
  const points: Checkpoint[] = []
  for await (const point of items((cursor) => checkpoints.list(agent.id, { ...cursor, limit: 1000 }))) points.push(point)
  yield* checkpointLines(new CheckpointStore(core, context.identity), points.reverse())
  for await (const page of readAgent(core, context.identity.tenant, agent.id)) {
    for (const [key, stored] of page) {
      if (!isLive(stored)) {
        yield lineOf('state', { key, deleted: true })
        continue
      }
      const { text, revision, writtenAt, expiresAt } = stored
      const head = JSON.stringify({ key, revision, updatedAt: new Date(writtenAt).toISOString(), expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString() })
      // The text as it is, so that no value is parsed and written again.
      yield `{"state":${head.slice(0, -1)},"value":${text as string}}}\n`
    }
  }
}

/** Oldest first; each value once, before the first checkpoint that needs it. One that is pruned meanwhile is left out. */
async function* checkpointLines(store: CheckpointStore, points: readonly Checkpoint[]): AsyncGenerator<string> {
  const sent = new Set<string>()
  let before: Manifest = new Map()
  for (const point of points) {
    try {
      const { manifest, texts: textsOf } = await store.opened(point.id)
      const fresh = [...new Set(manifest.values())].filter((hash) => !sent.has(hash))
      for (let from = 0; from < fresh.length; from += VALUES_AT_ONCE) {
        const wanted = new Set(fresh.slice(from, from + VALUES_AT_ONCE))
        for (const [hash, text] of await textsOf(wanted)) {
          sent.add(hash)
          yield `{"value":{"hash":"${hash}","value":${text}}}\n`
        }
      }
      const { id, name, trigger, metadata, tags, keyCount, checksum, createdAt } = point
      yield lineOf('checkpoint', { id, name, trigger, metadata, tags, keyCount, checksum, createdAt: createdAt.toISOString(), changed: [...deltaOf(before, manifest)] })
      before = manifest
    } catch (error) {
      if (!isCairnError(error, 'NOT_FOUND')) throw error
    }
  }
}

async function* items<T>(read: (page: { cursor?: string }) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined
  do {
    const page = await read(cursor === undefined ? {} : { cursor })
    yield* page.items
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
}

export function lineOf<Kind extends LineKind>(kind: Kind, content: FileLines[Kind]): string {
  return `${JSON.stringify({ [kind]: content })}\n`
}

/** For callers that must say where a file is wrong. */
export function malformed(line: number, offset: number, why: string): CairnError {
  return new CairnError('IMPORT_MALFORMED', `The agent file is malformed at line ${line} (byte ${offset}): ${why}. Nothing of it was stored.`, { details: { line, offset } })
}
