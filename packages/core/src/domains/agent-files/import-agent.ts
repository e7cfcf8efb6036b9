import { CairnError, isCairnError } from '../../errors/index.ts'
import { type ChainEnd, CheckpointStore, type Manifest, ReadPath, StateService, WritePath, addTags, canonicalJson, isLive, readAgent } from '../../state/index.ts'
import type { Agent, AgentFields, CapabilityInput, DependencyKind, RegisterAgent } from '../agents/index.ts'
import type { AgentFileDeps } from './export-agent.ts'
import { AGENT_FIELDS, type FileCheckpoint, type FileLines, type FileState } from './file-format.ts'
import { type FileSource, readLines, verifyFile } from './read-file.ts'

const WRITES_AT_ONCE = 500
const VALUES_AT_ONCE = 1000

export interface ImportAgentOptions {
  /** Key and name of the agent it becomes. @default those in the file */
  readonly as?: string
  /** When the agent exists: its fields, capabilities and state are replaced; its checkpoints stay and those of the file are added. @default false */
  readonly overwrite?: boolean
}

export interface ImportAgentResult {
  readonly agentId: string
  readonly key: string
  readonly created: boolean
  readonly keys: number
  /** Entries whose time to live was over. */
  readonly expired: number
  readonly checkpoints: number
  /** Keys of agents it depends on that do not exist here. */
  readonly missingDependencies: string[]
}

/** $1 tenant, $2 agent: ids that its checkpoints had where they come from. */
const IMPORTED = 'SELECT source_checkpoint_id AS id FROM agents.checkpoints WHERE tenant_id = $1 AND agent_id = $2 AND source_checkpoint_id IS NOT NULL'
/** In the agent's metadata while an import is not through, so that importing the same file again goes on with it. */
const MARK = 'cairn_import'

/**
 * Reads the file three times: all of it to verify it, then registry and checkpoints, then the state. Checkpoints arrive in one
 * transaction. An import that breaks off later is completed by importing the same file again.
 */
export async function importAgent(deps: AgentFileDeps, source: FileSource, options: ImportAgentOptions): Promise<ImportAgentResult> {
  const file = await verifyFile(source)
  const { agent, created } = await takeAgent(deps, file.agent, file.sha256, options)
  const capabilities: CapabilityInput[] = []
  const dependencies: FileLines['dependency'][] = []
  for await (const each of readLines(source)) {
    if (each.kind === 'capability') capabilities.push(each.body)
    else if (each.kind === 'dependency') dependencies.push(each.body)
    else if (each.kind !== 'cairn' && each.kind !== 'agent') break
  }
  await replaceCapabilities(deps, agent.id, capabilities)
  const missingDependencies = await addDependencies(deps, agent.id, dependencies)
  const checkpoints = await importCheckpoints(deps, agent.id, source)
  const { keys, expired } = await importState(deps, agent.id, source, !created)
  const { [MARK]: _, ...metadata } = (await deps.agents.get(agent.id)).metadata
  await deps.agents.update(agent.id, { metadata })
  return { agentId: agent.id, key: agent.key, created, keys, expired, checkpoints, missingDependencies }
}

async function takeAgent({ agents }: AgentFileDeps, file: FileLines['agent'], sha256: string, options: ImportAgentOptions): Promise<{ agent: Agent; created: boolean }> {
  const given = Object.fromEntries(AGENT_FIELDS.filter((field) => file[field] !== undefined).map((field) => [field, file[field]])) as AgentFields
  const { [MARK]: _, ...metadata } = given.metadata ?? {}
  const fields = { ...given, ...(options.as === undefined ? {} : { name: options.as, key: options.as }), metadata: { ...metadata, [MARK]: sha256 } } as RegisterAgent & { key: string }
  const existing = await agents.find(fields.key)
  if (existing === undefined) return { agent: await agents.register(fields), created: true }
  if (options.overwrite !== true && existing.metadata[MARK] !== sha256) {
    throw new CairnError('DUPLICATE_KEY', `An agent with the key ${JSON.stringify(fields.key)} exists already. Import it under another key with \`as\` (--as), or replace it with \`overwrite\` (--overwrite).`, {
      details: { field: 'key', agentId: existing.id },
    })
  }
  // What is there stays named as it is; only what it is and does comes from the file.
  const { name: _name, key: _key, ...changes } = fields
  return { agent: await agents.update(existing.id, changes), created: false }
}

async function replaceCapabilities({ agents }: AgentFileDeps, agentId: string, capabilities: readonly CapabilityInput[]): Promise<void> {
  const wanted = new Set(capabilities.map((each) => (typeof each === 'string' ? each : each.name)))
  if (capabilities.length > 0) await agents.capabilities.set(agentId, capabilities)
  const { items } = await agents.capabilities.list(agentId, { limit: 1000 })
  for (const { name } of items) if (!wanted.has(name)) await agents.capabilities.remove(agentId, name)
}

async function addDependencies({ agents }: AgentFileDeps, agentId: string, dependencies: readonly FileLines['dependency'][]): Promise<string[]> {
  const missing: string[] = []
  for (const { dependsOn, kind } of dependencies) {
    const other = await agents.find(dependsOn)
    if (other === undefined || other.id === agentId) {
      missing.push(dependsOn)
      continue
    }
    await agents.dependencies.add(agentId, other.id, kind as DependencyKind).catch((error: unknown) => {
      if (!isCairnError(error, 'DUPLICATE_KEY')) throw error
    })
  }
  return missing
}

async function importCheckpoints({ core, context }: AgentFileDeps, agentId: string, source: FileSource): Promise<number> {
  const { tenant } = context.identity
  const store = new CheckpointStore(core, context.identity)
  return store.locked(agentId, async (session) => {
    const { rows } = await session.query<{ id: string }>(IMPORTED, [tenant, agentId])
    const known = new Set(rows.map(({ id }) => id))
    const manifest: Manifest = new Map()
    let values = new Map<string, string>()
    let end: ChainEnd | undefined
    let count = 0
    for await (const each of readLines(source)) {
      if (each.kind === 'value') values.set(each.body.hash, canonicalJson(each.body.value))
      if (each.kind === 'state') break
      if (values.size === VALUES_AT_ONCE || each.kind === 'checkpoint') {
        await store.storeValues(session, agentId, values)
        values = new Map()
      }
      if (each.kind !== 'checkpoint') continue
      for (const [key, hash] of each.body.changed) {
        if (hash === null) manifest.delete(key)
        else manifest.set(key, hash)
      }
      if (known.has(each.body.id)) continue
      end = await store.append(session, { ...checkpointFrom(each.body), agentId }, end, new Map(manifest), each.body.checksum)
      await addTags(session, tenant, agentId, end.head.id, each.body.tags)
      count++
    }
    return count
  })
}

function checkpointFrom({ id, name, trigger, metadata, createdAt }: FileCheckpoint): { name: string | null; trigger: string; metadata: Record<string, unknown>; kvRevision: null; kvEpoch: null; source: string; createdAt: Date } {
  return { name, trigger, metadata, kvRevision: null, kvEpoch: null, source: id, createdAt: new Date(createdAt) }
}

async function importState({ core, context }: AgentFileDeps, agentId: string, source: FileSource, replace: boolean): Promise<{ keys: number; expired: number }> {
  const state = new StateService(core, context.identity)
  const writes = new WritePath(core, new ReadPath(core))
  const { tenant } = context.identity
  const present = new Set<string>()
  let expired = 0
  let batch = new Map<string, FileState>()
  const write = async (): Promise<void> => {
    const entries = [...batch.values()]
    batch = new Map()
    await Promise.all(
      entries.map(async (entry) => {
        const expiresAt = 'deleted' in entry || entry.expiresAt === null ? undefined : Date.parse(entry.expiresAt)
        if ('deleted' in entry || (expiresAt !== undefined && expiresAt <= Date.now())) {
          if (!('deleted' in entry)) expired++
          present.delete(entry.key)
          await state.delete(agentId, entry.key)
          return
        }
        present.add(entry.key)
        // Not state.set: the moment of expiry stays what it was.
        const address = { tenant, agentId, key: entry.key }
        await writes.write(context.identity, { address, text: canonicalJson(entry.value), expiresAt, ack: 'hot', ifRevision: undefined, operationId: undefined })
      }),
    )
  }
  for await (const each of readLines(source)) {
    if (each.kind !== 'state') continue
    batch.set(each.body.key, each.body)
    if (batch.size === WRITES_AT_ONCE) await write()
  }
  await write()
  if (replace) {
    const surplus = new Set<string>()
    for await (const page of readAgent(core, tenant, agentId)) {
      for (const [key, stored] of page) if (isLive(stored) && !present.has(key)) surplus.add(key)
    }
    const keys = [...surplus]
    for (let from = 0; from < keys.length; from += WRITES_AT_ONCE) await Promise.all(keys.slice(from, from + WRITES_AT_ONCE).map((key) => state.delete(agentId, key)))
  }
  await state.flush()
  return { keys: present.size, expired }
}
