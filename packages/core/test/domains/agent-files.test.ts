import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, type FileSource, isCairnError } from '../../src/index.ts'
import { cairnTargets, openCairn } from '../harness/cairns.ts'

async function errorOf(run: Promise<unknown>): Promise<{ code: string; details: Readonly<Record<string, unknown>> }> {
  return run.then(
    () => ({ code: 'no error', details: {} }),
    (error: unknown) => (isCairnError(error) ? { code: error.code, details: error.details } : { code: String(error), details: {} }),
  )
}

async function textOf(lines: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const line of lines) text += line
  return text
}

/** In pieces of a size that cuts lines and characters. */
const sourceOf = (text: string): FileSource =>
  async function* () {
    const bytes = Buffer.from(text)
    for (let from = 0; from < bytes.length; from += 1013) yield bytes.subarray(from, from + 1013)
  }

/** The file with a last line that fits what was changed before it. */
function sealed(text: string): string {
  const lines = text.trimEnd().split('\n').slice(0, -1)
  const body = lines.map((line) => `${line}\n`).join('')
  return `${body}${JSON.stringify({ end: { lines: lines.length, sha256: createHash('sha256').update(body).digest('hex') } })}\n`
}

describe.each(cairnTargets)('an agent as a file ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let file: string
  let points: string[]
  const stateOf = async (agent: string, of = cairn): Promise<Record<string, unknown>> => Object.fromEntries((await of.state.list(agent, { limit: 1000 })).items.map(({ key, value }) => [key, value]))
  const count = async (): Promise<number> =>
    (await cairn.engines.sql.query<{ n: number }>(MAINTENANCE, 'SELECT (SELECT count(*) FROM agents.registry) + (SELECT count(*) FROM agents.checkpoints) + (SELECT count(*) FROM agents.checkpoint_values) AS n')).rows[0]?.n ?? -1

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
    await cairn.agents.register({ name: 'base', type: 'coordinator' })
    const { id } = await cairn.agents.register({ name: 'scout', type: 'analyst', capabilities: ['search', { name: 'map', parameters: { scale: 2 } }], metadata: { team: 'ü' }, skills: ['walk'] })
    await cairn.agents.dependencies.add('scout', 'base', 'optional')
    await cairn.state.setMany(id, { plan: { step: 1 }, 'ü key': ['x'], __proto__x: null, same: 'v' })
    points = [(await cairn.checkpoints.create(id, { name: 'one', tags: ['first'], metadata: { n: 1 } })).id]
    await cairn.state.set(id, 'plan', { step: 2 })
    await cairn.state.delete(id, 'same')
    await cairn.state.set(id, 'short', 1, { ttlMs: 3_600_000 })
    points.push((await cairn.checkpoints.create(id)).id)
    await cairn.state.set(id, 'late', true)
    file = await textOf(cairn.agentFiles.export('scout'))
  })
  afterAll(async () => {
    await dispose?.()
  })

  it('of thousands of keys comes back whole, and over another of thousands nothing of that is left', async () => {
    const other = cairn.as({ tenant: 'large' })
    const { id } = await other.agents.register({ name: 'large', type: 'analyst' })
    const many = (from: number, to: number): Record<string, unknown> => Object.fromEntries(Array.from({ length: to - from }, (_, n) => [`k${from + n}`, { n: from + n }]))
    await other.state.setMany(id, many(0, 1_200))
    await other.checkpoints.create(id, { name: 'all' })
    await other.state.set(id, 'k7', 'changed')
    await other.checkpoints.create(id)
    const whole = await textOf(other.agentFiles.export('large'))
    expect(whole.split('\n').filter((line) => line.startsWith('{"value"'))).toHaveLength(1_201)
    const copy = await other.agents.register({ key: 'copy', name: 'copy', type: 'analyst' })
    await other.state.setMany(copy.id, many(800, 2_000))
    expect(await other.agentFiles.import(sourceOf(whole), { as: 'copy', overwrite: true })).toMatchObject({ created: false, keys: 1_200, checkpoints: 2 })
    const keys: string[] = []
    let cursor: string | undefined
    do {
      const page = await other.state.list(copy.id, { limit: 500, ...(cursor === undefined ? {} : { cursor }) })
      keys.push(...page.items.map(({ key }) => key))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(keys).toEqual(Object.keys(many(0, 1_200)).sort())
    expect((await other.state.get(copy.id, 'k7'))?.value).toBe('changed')
    const [newest, oldest] = (await other.checkpoints.list(copy.id)).items
    expect([(await other.checkpoints.get(oldest?.id ?? '')).state['k7'], (await other.checkpoints.get(newest?.id ?? '')).state['k7']]).toEqual([{ n: 7 }, 'changed'])
  })

  it('comes back whole in another tenant: registry, capabilities, state with its times to live, checkpoints with tags', async () => {
    const other = cairn.as({ tenant: 'acme' })
    const result = await other.agentFiles.import(sourceOf(file))
    expect(result).toMatchObject({ key: 'scout', created: true, keys: 5, expired: 0, checkpoints: 2, missingDependencies: ['base'] })
    expect(await other.agents.get('scout')).toMatchObject({ name: 'scout', type: 'analyst', capabilities: ['map', 'search'], metadata: { team: 'ü' }, skills: ['walk'] })
    expect((await other.agents.get('scout')).metadata).not.toHaveProperty('cairn_import')
    expect(await stateOf('scout', other)).toEqual({ plan: { step: 2 }, 'ü key': ['x'], __proto__x: null, short: 1, late: true })
    const short = await other.state.get('scout', 'short')
    expect(short?.expiresAt).toEqual((await cairn.state.get('scout', 'short'))?.expiresAt)
    const { items } = await other.checkpoints.list('scout')
    expect(items.map(({ sourceCheckpointId }) => sourceCheckpointId)).toEqual([...points].reverse())
    const first = await other.checkpoints.find('scout', 'first')
    const original = await cairn.checkpoints.get(points[0] as string)
    expect(first).toMatchObject({ name: 'one', metadata: { n: 1 }, checksum: original.checksum, createdAt: original.createdAt })
    expect((await other.checkpoints.get(first.id)).state).toEqual(original.state)
    expect(await other.checkpoints.restore(first.id)).toMatchObject({ written: 2, deleted: 2 })
    expect((await errorOf(other.agentFiles.import(sourceOf(file)))).code).toBe('DUPLICATE_KEY')
  })

  it('comes in under another key, and over an agent only when told to', async () => {
    const copy = await cairn.agentFiles.import(sourceOf(file), { as: 'scout-2' })
    expect(copy).toMatchObject({ key: 'scout-2', created: true, missingDependencies: [] })
    expect(await stateOf('scout-2')).toEqual(await stateOf('scout'))
    expect((await cairn.agents.dependencies.list('scout-2')).items).toMatchObject([{ kind: 'optional' }])
    await cairn.state.setMany('scout-2', { own: 1, plan: 'changed' })
    await cairn.agents.capabilities.set('scout-2', 'extra')
    expect((await errorOf(cairn.agentFiles.import(sourceOf(file), { as: 'scout-2' }))).code).toBe('DUPLICATE_KEY')
    expect((await stateOf('scout-2')).own).toBe(1)
    expect(await cairn.agentFiles.import(sourceOf(file), { as: 'scout-2', overwrite: true })).toMatchObject({ agentId: copy.agentId, created: false, checkpoints: 0 })
    expect(await stateOf('scout-2')).toEqual(await stateOf('scout'))
    expect((await cairn.agents.get('scout-2')).capabilities).toEqual(['map', 'search'])
  })

  it('is refused with the place where it is wrong, and nothing of it is stored', async () => {
    const before = await count()
    const lines = file.split('\n')
    const place = lines.findIndex((line) => line.startsWith('{"checkpoint"')) + 1
    const cases: [string, string, number][] = [
      ['cut off', `${lines.slice(0, -2).join('\n')}\n`, lines.length - 2],
      ['cut within a line', file.slice(0, -20), lines.length - 1],
      ['a value changed', file.replace('"step":1', '"step":7'), lines.findIndex((line) => line.includes('"step":1')) + 1],
      ['state changed', file.replace('"late"', '"laet"'), lines.length - 1],
      ['not JSON', file.replace('{"capability"', '{capability'), 3],
      ['an unknown line', file.replace('{"capability"', '{"cap"'), 3],
      ['another version', file.replace('"version":1', '"version":2'), 1],
      ['another kind of file', '{"hello":1}\n', 1],
      ['empty', '', 1],
      ['a value missing', lines.filter((line) => !line.includes('{"value":{"hash"') || !line.includes('"step":1')).join('\n'), lines.findIndex((line) => line.startsWith('{"checkpoint"'))],
      ['lines swapped', [lines[1], lines[0], ...lines.slice(2)].join('\n'), 1],
      // Whole by its checksum, but not by what checkpoints may hold.
      ['a bad tag', sealed(file.replace('"tags":["first"]', '"tags":["fir*st"]')), place],
      ['a name too long', sealed(file.replace('"name":"one"', `"name":"${'x'.repeat(256)}"`)), place],
      ['a trigger with U+0000', sealed(file.replace('"trigger":"manual"', '"trigger":"\\u0000"')), place],
      ['metadata that is no object', sealed(file.replace('"metadata":{"n":1}', '"metadata":null')), place],
      ['metadata with U+0000', sealed(file.replace('"metadata":{"n":1}', '"metadata":{"n":"\\u0000"}')), place],
    ]
    for (const [what, text, line] of cases) {
      const { code, details } = await errorOf(cairn.agentFiles.import(sourceOf(text), { as: 'never' }))
      expect([code, details.line], what).toEqual(['IMPORT_MALFORMED', line])
      expect(details.offset, what).toBeLessThanOrEqual(Buffer.byteLength(text))
    }
    expect(await count()).toBe(before)
  })

  it('goes on with an import that broke off, when the same file comes again', async () => {
    let opened = 0
    // Breaks off while the state is read: the fourth opening.
    const breaking: FileSource = async function* () {
      opened++
      for await (const chunk of sourceOf(file)()) {
        yield chunk
        if (opened === 4) throw new Error('the disk is gone')
      }
    }
    expect((await errorOf(cairn.agentFiles.import(breaking, { as: 'scout-3' }))).code).toContain('the disk is gone')
    expect(await cairn.agentFiles.import(sourceOf(file), { as: 'scout-3' })).toMatchObject({ created: false, checkpoints: 0, keys: 5 })
    expect(await stateOf('scout-3')).toEqual(await stateOf('scout'))
    expect((await cairn.checkpoints.list('scout-3')).items).toHaveLength(2)
    expect((await errorOf(cairn.agentFiles.import(sourceOf(file), { as: 'scout-3' }))).code).toBe('DUPLICATE_KEY')
  })

  it('shows one moment while the agent is written to', async () => {
    const { id } = await cairn.agents.register({ name: 'busy', type: 'analyst' })
    const writing = new AbortController()
    const writer = (async () => {
      for (let n = 1; !writing.signal.aborted; n++) {
        await cairn.state.set(id, 'a', n)
        await cairn.state.set(id, 'b', n)
        if (n % 7 === 0) await cairn.state.delete(id, 'b')
      }
    })()
    try {
      for (let round = 0; round < 10; round++) {
        const state = new Map<string, number | undefined>()
        for (const line of (await textOf(cairn.agentFiles.export(id))).split('\n').filter((each) => each.startsWith('{"state"'))) {
          const { key, value } = (JSON.parse(line) as { state: { key: string; value?: number } }).state
          state.set(key, value)
        }
        const [a, b] = [state.get('a'), state.get('b')]
        if (a !== undefined) expect(b === undefined ? [1, 0].includes(a % 7) : [b, b + 1].includes(a), `a = ${a}, b = ${b}`).toBe(true)
      }
    } finally {
      writing.abort()
      await writer
    }
  })
})
