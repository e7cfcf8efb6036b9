import type { MemoryBlock } from '@cairn/core'
import { z } from 'zod'
import { EFFECTS } from '../define-tool.ts'
import { blockOwner, compact, cursor, defined, limit, nextCursor, pageOf } from '../schemas.ts'
import type { AddTool } from '../tool-sets.ts'

const Block = z.looseObject({ label: z.string(), content: z.string(), version: z.int() })
const place = { label: z.string(), ...blockOwner }
const expectedVersion = z.int().min(0).optional().describe('Refused if another; 0: must not exist')

/** Working memory: small texts that an agent keeps before its eyes and edits in place. */
export function memoryBlockTools(add: AddTool): void {
  add({
    name: 'memory_block_view', description: 'Blocks of working memory of a user, an agent, or shared by all; one with label.', effect: EFFECTS.reads,
    input: z.strictObject({ label: z.string().optional(), ...blockOwner, limit: limit(20), cursor }), output: z.looseObject({ items: z.array(Block), nextCursor }),
    async run({ label, limit: most, cursor: after, ...whose }, cairn) {
      if (label !== undefined) return { structured: { items: [short(await cairn.memory.blocks.get({ label, ...defined(whose) }))] } }
      return { structured: pageOf(await cairn.memory.blocks.list({ ...defined(whose), limit: most, ...(after === undefined ? {} : { cursor: after }) }), short) }
    },
  })
  add({
    name: 'memory_block_replace', effect: EFFECTS.overwrites,
    description: 'Put a text in place of previous, which must be in the block once. Without previous: the whole block, which is made if need be.',
    input: z.strictObject({
      ...place, previous: z.string().optional(), content: z.string(), description: z.string().optional().describe('Of a whole block'),
      limit: z.int().min(1).max(100_000).optional().describe('Characters of a whole block, 2000 for a new one'), expectedVersion,
    }),
    output: Block,
    async run({ label, userId, agentId, previous, content, expectedVersion: version, ...rest }, cairn) {
      const ref = { label, ...defined({ userId, agentId }) }
      const options = version === undefined ? {} : { ifVersion: version }
      const { blocks } = cairn.memory
      return { structured: short(previous === undefined ? await blocks.set(ref, { content, ...defined(rest), ...options }) : await blocks.replace(ref, previous, content, options)) }
    },
  })
  add({
    name: 'memory_block_append', description: 'Add a line at the end of a block.', effect: EFFECTS.adds,
    input: z.strictObject({ ...place, content: z.string(), expectedVersion }), output: Block,
    run: async ({ content, expectedVersion: version, ...ref }, cairn) => ({ structured: short(await cairn.memory.blocks.append(defined(ref), content, version === undefined ? {} : { ifVersion: version })) }),
  })
}

function short({ label, userId, agentId, description, content, characters, limit: most, version }: MemoryBlock): Record<string, unknown> {
  return compact({ label, userId, agentId, description: description === '' ? null : description, content, characters, limit: most, version })
}
