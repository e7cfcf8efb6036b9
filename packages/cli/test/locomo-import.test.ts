import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseLocomo, type LocomoConversation } from '../src/import/locomo-format.ts'
import { importLocomo, type ImportProgress } from '../src/import/locomo-import.ts'
import { RecordingImportTarget } from './recording-import-target.ts'

const read = (path: URL, stem: string): LocomoConversation => parseLocomo(readFileSync(path, 'utf8'), stem, stem)[0] as LocomoConversation
const hikers = read(new URL('../../../examples/two-hikers.json', import.meta.url), 'two-hikers')
const INGRID = 'id of locomo:two-hikers:Ingrid'
const TOMAS = 'id of locomo:two-hikers:Tomás'

async function imported(conversation: LocomoConversation): Promise<RecordingImportTarget> {
  const target = new RecordingImportTarget()
  await importLocomo(conversation, { target })
  return target
}

describe('importing a LoCoMo conversation', () => {
  it('makes agents, a session, threads, messages and checkpoints', async () => {
    const target = new RecordingImportTarget()
    const progress: ImportProgress[] = []
    const summary = await importLocomo(hikers, { target, onProgress: (one) => progress.push(one) })
    const counts = { agents: 2, threads: 3, messages: 37, checkpoints: 6 }
    expect(summary).toMatchObject({ ...counts, stateWrites: 74, created: counts, skipped: { agents: 0, threads: 0, messages: 0, checkpoints: 0 } })
    expect([...target.agents.values()].map((agent) => agent.name)).toEqual(['Ingrid (locomo two-hikers)', 'Tomás (locomo two-hikers)'])
    expect([...target.sessions.values()]).toMatchObject([{ key: 'locomo:two-hikers', type: 'group', title: 'Ingrid and Tomás' }])
    expect([...target.threads.values()].map((thread) => thread.messages.length)).toEqual([13, 12, 12])
    expect(target.threads.get('locomo:two-hikers:session_2')?.startedAt).toEqual(new Date('2026-04-11T08:05:00Z'))
    expect(target.messages.get('locomo:two-hikers:D1:8')).toMatchObject({
      author: { kind: 'agent', agentId: TOMAS, label: 'Tomás' },
      sentAt: new Date('2026-03-03T18:42:07Z'),
      attachments: ['https://example.org/pictures/hut-with-red-shutters.jpg'],
      metadata: { diaId: 'D1:8', session: 1, imageQuery: 'mountain hut red shutters' },
    })
    expect(progress.at(-1)).toMatchObject({ done: 37, total: 37 })
    expect(progress.every((one, n) => n === 0 || one.done >= (progress[n - 1] as ImportProgress).done)).toBe(true)
  })

  it('leaves in each checkpoint the state as of the end of its session', async () => {
    const target = await imported(hikers)
    const turnsOf = (checkpoint: string): unknown => target.checkpoints.get(checkpoint)?.state['conversation/turns']
    expect([1, 2, 3].map((n) => turnsOf(`${INGRID} session-${n}`))).toEqual([7, 13, 19])
    expect([1, 2, 3].map((n) => turnsOf(`${TOMAS} session-${n}`))).toEqual([6, 12, 18])
    expect(target.checkpoints.get(`${INGRID} session-2`)?.state['conversation/last']).toMatchObject({ diaId: 'D2:12', session: 2, at: '2026-04-11T08:05:11.000Z' })
    expect(target.state.get(TOMAS)).toMatchObject({ 'conversation/turns': 18, 'conversation/last': { diaId: 'D3:12', session: 3 } })
  })

  it('doubles nothing when run twice, and brings the state back to the end', async () => {
    const target = await imported(hikers)
    const before = target.contents()
    target.state.set(INGRID, { 'conversation/turns': 1 })
    const summary = await importLocomo(hikers, { target })
    const counts = { agents: 2, threads: 3, messages: 37, checkpoints: 6 }
    expect(summary).toMatchObject({ ...counts, stateWrites: 4, created: { agents: 0, threads: 0, messages: 0, checkpoints: 0 }, skipped: counts })
    expect(target.contents()).toEqual(before)
  })

  it('ends the same wherever it was broken off, however often', async () => {
    const whole = await imported(hikers)
    const calls = whole.log.length
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ at: fc.integer({ min: 1, max: calls }), moment: fc.constantFrom('before', 'after') }), { minLength: 1, maxLength: 4 }), async (breaks) => {
        const target = new RecordingImportTarget()
        for (const { at, moment } of breaks) {
          let count = 0
          target.onCall = (when) => {
            if (when === 'before') count++
            if (count === at && when === moment) throw new Error('broken off')
          }
          await importLocomo(hikers, { target }).catch((error: Error) => {
            if (error.message !== 'broken off') throw error
          })
        }
        target.onCall = () => {}
        const summary = await importLocomo(hikers, { target })
        expect(summary).toMatchObject({ agents: 2, threads: 3, messages: 37, checkpoints: 6 })
        expect(target.contents()).toEqual(whole.contents())
      }),
      { numRuns: 200 },
    )
  })

  it('restores what skipped sessions left when it resumes after a restore to an older point', async () => {
    const whole = await imported(hikers)
    const target = new RecordingImportTarget()
    target.onCall = () => {
      if (target.checkpoints.size === 4) throw new Error('broken off')
    }
    await expect(importLocomo(hikers, { target })).rejects.toThrow('broken off')
    target.onCall = () => {}
    for (const agent of [INGRID, TOMAS]) target.state.set(agent, { ...target.checkpoints.get(`${agent} session-1`)?.state })
    const silent: LocomoConversation = { ...hikers, sessions: hikers.sessions.map((session) => (session.number === 3 ? { ...session, turns: [] } : session)) }
    await importLocomo(silent, { target })
    expect(target.checkpoints.get(`${INGRID} session-3`)?.state).toEqual(whole.checkpoints.get(`${INGRID} session-2`)?.state)
  })

  it('stops between two writes when it is aborted, and can go on later', async () => {
    const target = new RecordingImportTarget()
    const controller = new AbortController()
    target.onCall = (moment, count) => {
      if (moment === 'after' && count === 20) controller.abort(new Error('enough'))
    }
    await expect(importLocomo(hikers, { target, signal: controller.signal })).rejects.toThrow('enough')
    expect(target.log).toHaveLength(20)
    target.onCall = () => {}
    await importLocomo(hikers, { target })
    expect(target.contents()).toEqual((await imported(hikers)).contents())
  })

  it('keeps two files with the same speakers apart', async () => {
    const target = await imported(hikers)
    await importLocomo({ ...hikers, name: 'other' }, { target })
    expect(target.agents.size).toBe(4)
    expect(new Set([...target.agents.values()].map((agent) => agent.name)).size).toBe(4)
    expect(target.messages.size).toBe(74)
    expect(target.checkpoints.size).toBe(12)
  })
})
