import { CairnError } from '../../errors/index.ts'
import type { AppendOutcome, WritesOp } from './append-batch.ts'
import { type Lineage, checkPart, invalid } from './lineage-id.ts'
import { REPLACE_PACK } from './lineage-queries.ts'
import type { AppendWrites } from './lineage-types.ts'
import type { SpaceContext } from './space-context.ts'
import { type LineageWrite, packWrites, unpackWrites } from './write-pack.ts'

const TRIES = 5

/** Ordinary writes of a task are stored once: the first of an index stays. A special one (index below 0) takes the place of the one before. */
export async function appendWrites(space: SpaceContext, input: AppendWrites): Promise<void> {
  const lineage = space.lineage(input)
  const { id, taskId, taskPath = '', writes } = input
  checkPart('id', id)
  checkPart('taskId', taskId)
  checkPart('taskPath', taskPath, true)
  const slots = new Map<number, Map<number, LineageWrite>>()
  for (const write of writes) {
    if (!Number.isInteger(write.index) || Math.abs(write.index) > 1e9) throw invalid('index', `${String(write.index)} is not a whole number.`)
    const slot = Math.min(0, write.index)
    const pack = slots.get(slot) ?? new Map<number, LineageWrite>()
    if (slot < 0 || !pack.has(write.index)) pack.set(write.index, write)
    slots.set(slot, pack)
  }
  if (slots.size === 0) return
  const seal = (slot: number, pack: Iterable<LineageWrite>): Uint8Array => space.sealer.seal(packWrites([...pack].sort((a, b) => a.index - b.index)), space.place(lineage, id, 'writes', taskId, slot))
  const packs = [...slots].map(([slot, pack]) => ({ slot, pack: seal(slot, pack.values()) }))
  const op: WritesOp = { kind: 'writes', lineage, id, taskId, taskPath, packs }
  const settle = async (outcome: AppendOutcome): Promise<void> => {
    const own = slots.get(0)
    if (outcome.stored || outcome.pack === undefined || own === undefined) return
    await merge(space, lineage, input, own, outcome.pack, (pack) => seal(0, pack))
  }
  if (space.hot) await space.core.journal.put(space.tenant, op, settle)
  else await settle(await space.core.append(space.tenant, op))
}

/** The task has stored writes before: those stay, and only what is new is added. */
async function merge(space: SpaceContext, lineage: Lineage, input: AppendWrites, own: ReadonlyMap<number, LineageWrite>, seen: Uint8Array, seal: (pack: Iterable<LineageWrite>) => Uint8Array): Promise<void> {
  const { id, taskId } = input
  const address = [space.tenant, lineage.id, id, taskId]
  let there = seen
  for (let tries = 0; tries < TRIES; tries++) {
    const merged = new Map(own)
    const stored = unpackWrites(space.sealer.open(there, space.place(lineage, id, 'writes', taskId, 0)))
    for (const write of stored) merged.set(write.index, write)
    if (merged.size === stored.length) return
    const identity = space.core.identity(space.tenant)
    const { rowCount } = await space.core.sql.query(identity, REPLACE_PACK, [...address, Buffer.from(there), Buffer.from(seal(merged.values()))])
    if (rowCount > 0) return
    const { packs = [] } = (await space.readStored(lineage, id, undefined, true)) ?? {}
    const now = packs.find((pack) => pack.taskId === taskId && pack.slot === 0)
    if (now === undefined) break
    there = now.pack
  }
  throw new CairnError('SERIALIZATION_FAILURE', `The writes of task ${taskId} at checkpoint ${id} could not be stored: others kept changing them. Try again.`)
}
