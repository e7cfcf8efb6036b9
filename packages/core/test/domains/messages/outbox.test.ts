import { describe, expect, it } from 'vitest'
import { checkSubject } from '../../../src/engines/stream/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { world } from './messages-world.ts'

describe.each(cairnTargets)('messages as events ($name)', (target) => {
  it('are written to the outbox in the send statement once the stream exists, and not before', async () => {
    // Without the relay, which takes the rows away.
    const { cairn: root, dispose } = await openCairn(target, { events: { relay: false } })
    const { cairn, ids } = await world(root, 'a', 'b')
    const { sql } = cairn.engines
    const kept = async () => (await sql.query<{ subject: string; id: string }>(cairn.identity, 'SELECT subject, msg_id AS id FROM tx.outbox WHERE tenant_id = $1 AND stream = $$AGENT_MESSAGES$$ ORDER BY outbox_id', [cairn.identity.tenant])).rows
    await sql.query({ role: 'maintenance' }, `DELETE FROM tx.streams WHERE name = 'AGENT_MESSAGES'`)
    await cairn.messages.send({ to: 'b', kind: 'command' })
    expect(await kept()).toEqual([])
    await sql.query({ role: 'maintenance' }, `INSERT INTO tx.streams (name, subjects, subject_regex) VALUES ('AGENT_MESSAGES', '{messages.>}', '^messages\\..+$')`)
    const direct = await cairn.messages.send({ to: 'b', kind: 'command', idempotencyKey: 'k' })
    await cairn.messages.send({ to: 'b', kind: 'command', idempotencyKey: 'k' })
    const all = await cairn.messages.send({ toType: '*', kind: 'command' })
    const notice = await cairn.messages.send({ to: 'b' })
    const { tenant } = cairn.identity
    await cairn.messages.send({ toType: 'data:x', kind: 'command' })
    const odd = ['日'.repeat(100), 'a\u200db', 'a.b\u0001'].map((toType) => cairn.messages.send({ toType, kind: 'command' }))
    await Promise.all(odd)
    const subjects = (await kept()).slice(3).map(({ subject }) => subject)
    expect(subjects).toContain(`messages.broadcast.${tenant}.data:x`)
    for (const subject of subjects) expect(() => checkSubject(subject)).not.toThrow()
    await sql.query({ role: 'maintenance' }, `DELETE FROM tx.outbox WHERE subject LIKE 'messages.broadcast.%' AND subject NOT LIKE '%.all'`)
    expect(await kept()).toEqual([
      { subject: `messages.direct.${tenant}.${ids.b}`, id: direct.id },
      { subject: `messages.broadcast.${tenant}.all`, id: all.id },
      { subject: `messages.notification.${tenant}.${ids.b}`, id: notice.id },
    ])
    await dispose()
  })
})
