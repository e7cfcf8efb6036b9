import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { open } from '@cairn/core'
import { cairnTargets } from '../../core/test/harness/cairns.ts'
import { localTarget } from '../src/import/local-target.ts'
import { LAST_TURN_KEY, TURN_COUNT_KEY, importLocomo } from '../src/import/locomo-import.ts'
import { type LocomoConversation, parseLocomo } from '../src/import/locomo-format.ts'
import { TWO_HIKERS } from './run-cli.ts'

describe.each(cairnTargets)('an imported conversation ($name)', (target) => {
  it('can be taken back to the end of any session, both speakers exactly', { timeout: 60_000 }, async () => {
    const place = await target.place()
    const conversation = parseLocomo(await readFile(TWO_HIKERS, 'utf8'), TWO_HIKERS, 'two-hikers')[0] as LocomoConversation
    let cairn = await open(place.options)
    await importLocomo(conversation, { target: localTarget(cairn) })
    await cairn.close()
    cairn = await open(place.options)
    const agents = (await cairn.agents.list({})).items
    expect(agents).toHaveLength(2)
    for (const session of [2, 1, 3]) {
      for (const agent of agents) {
        const point = (await cairn.checkpoints.list(agent.id, { name: `session-${session}` })).items[0]
        expect(point, `checkpoint of session ${session}`).toBeDefined()
        await cairn.checkpoints.restore(point?.id as string)
        const turns = conversation.sessions.filter(({ number }) => number <= session).flatMap((each) => each.turns).filter(({ speaker }) => agent.name.includes(speaker))
        const state = await cairn.state.getMany(agent.id, [LAST_TURN_KEY, TURN_COUNT_KEY])
        expect(state[TURN_COUNT_KEY]?.value).toBe(turns.length)
        expect(state[LAST_TURN_KEY]?.value).toMatchObject({ diaId: turns.at(-1)?.diaId, text: turns.at(-1)?.text })
      }
    }
    await cairn.close()
    await place.dispose()
  })
})
