import type { AppendCheckpoint, Cairn, ChannelValue, LineageCheckpoint, LineageSpace } from '../../../src/index.ts'

export function value(version: number, text: string): ChannelValue {
  return { version: String(version), type: 'json', bytes: Buffer.from(text) }
}

/** Ids that sort in the order of `step`. */
export function idOf(step: number, branch = 'a'): string {
  return `${String(step).padStart(6, '0')}-${branch}`
}

/** A checkpoint of a conversation: the list grows by a message a step, and one channel never changes. */
export function checkpointAt(thread: string, step: number, parentId?: string): AppendCheckpoint {
  const messages = Array.from({ length: step + 1 }, (_, index) => ({ id: index, text: `message ${index * 7919} of the thread` }))
  const changed = new Map([['messages', value(step + 1, JSON.stringify(messages))]])
  if (step === 0) changed.set('settled', value(1, '"never changes"'))
  return {
    thread,
    id: idOf(step),
    ...(step === 0 ? {} : { parentId: parentId ?? idOf(step - 1) }),
    body: Buffer.from(JSON.stringify({ step, versions: { messages: step + 1 } })),
    metadata: JSON.stringify({ step, source: step % 2 === 0 ? 'input' : 'loop', run_id: `run-${Math.floor(step / 10)}` }),
    versions: new Map([['messages', String(step + 1)], ['settled', '1']]),
    changed,
  }
}

export async function grow(space: LineageSpace, thread: string, steps: number, from = 0): Promise<void> {
  for (let step = from; step < steps; step++) {
    await space.append(checkpointAt(thread, step))
    await space.appendWrites({ thread, id: idOf(step), taskId: `task-${step}`, writes: [{ index: 0, channel: 'messages', type: 'json', bytes: Buffer.from(`"write ${step}"`) }] })
  }
}

/** What the hot tier acknowledges stays in the journal, as SQL takes nothing of this process until the returned function is called. */
export function holdJournal(cairn: Cairn): () => void {
  const { sql } = cairn.engines
  const query = sql.query.bind(sql)
  const released = Promise.withResolvers<void>()
  sql.query = async (identity, text, values, options) => {
    if (options?.name?.startsWith('lineages_append') === true) await released.promise
    return query(identity, text, values, options)
  }
  return () => {
    sql.query = query
    released.resolve()
  }
}

/** All that a checkpoint holds, as text. */
export function shown(checkpoint: LineageCheckpoint | undefined): string {
  if (checkpoint === undefined) return 'none'
  const { id, parentId, body, metadata, channels, writes } = checkpoint
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return JSON.stringify([id, parentId, text(body), JSON.parse(metadata), [...channels].map(([name, one]) => [name, one.version, one.type, text(one.bytes)]).sort(), writes.map((one) => [one.taskId, one.index, one.channel, text(one.bytes)])])
}

export async function everything(space: LineageSpace, thread: string): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  let cursor: string | undefined
  do {
    const page = await space.list({ thread, path: '', limit: 50, ...(cursor === undefined ? {} : { cursor }) })
    for (const item of page.items) all.set(item.id, shown(item))
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return all
}
