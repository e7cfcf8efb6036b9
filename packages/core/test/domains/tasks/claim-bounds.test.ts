import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { ClaimBounds } from '../../../src/domains/tasks/claim-bounds.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

const POLL_MS = 60_000
const seen = (queued: string, score = 40, type = 'a') => ({ type, score, queued })

describe('how far claims have come', () => {
  it('goes on behind what was found, by type and score', () => {
    const bounds = new ClaimBounds(['a', 'b'])
    expect(bounds.next()).toBeNull()
    bounds.found(null, [seen('05'), seen('03'), seen('09', 80), seen('01', 40, 'b')], 4, 1)
    // Five scores of each type, the highest first.
    expect(bounds.next()).toEqual(['-infinity', '09', '-infinity', '05', '-infinity', '-infinity', '-infinity', '-infinity', '01', '-infinity'])
    bounds.found(bounds.next(), [seen('07'), seen('06')], 2, 1)
    expect(bounds.next()?.[3]).toBe('07')
  })

  it('goes back to what a look everywhere finds before the bounds: rows that were locked when the claims passed them', () => {
    const bounds = new ClaimBounds(['a'])
    bounds.found(null, [seen('05')], 1, 1)
    bounds.found(bounds.next(), [seen('08')], 1, 1)
    bounds.found(null, [seen('02')], 1, 1)
    expect(bounds.next()?.[3]).toBe('02')
  })

  it('looks everywhere soon after a claim that began at the bounds and found too little, however slow the last look was', () => {
    const bounds = new ClaimBounds(['a'])
    bounds.found(null, [], 10, 400)
    expect(bounds.againIn(POLL_MS)).toBe(POLL_MS)
    bounds.found(bounds.next(), [], 10, 1)
    expect(bounds.againIn(POLL_MS)).toBeLessThanOrEqual(1200)
    bounds.found(null, [], 10, 1)
    // It has just looked everywhere, and there is nothing: only a wake-up or the poll brings more.
    expect(bounds.next()).toBeNull()
    expect(bounds.againIn(POLL_MS)).toBe(POLL_MS)
  })
})

describe('rows that others hold while claims pass them (servers)', () => {
  it('are claimed when they are let go, long before the poll', { timeout: 50_000 }, async () => {
    const { cairn, place, dispose } = await openCairn(cairnTargets[1] as (typeof cairnTargets)[number])
    const other = new pg.Client({ connectionString: (place.options as { postgres: string }).postgres })
    await other.connect()
    try {
      const tasks = await cairn.tasks.enqueueMany(Array.from({ length: 600 }, (_, n) => ({ type: 'held', payload: n })))
      await other.query('BEGIN')
      await other.query('SELECT FROM tasks.queue WHERE task_id = ANY ($1) FOR UPDATE', [tasks.slice(0, 300).map(({ id }) => id)])
      const ran = new Set<unknown>()
      const worker = await cairn.tasks.work('held', ({ payload }) => {
        ran.add(payload)
        // With claims before and after it, while there is work left.
        if (ran.size === 150) void other.query('COMMIT')
      }, { concurrency: 5, prefetch: 5, pollMs: POLL_MS })
      await until('all ran', () => ran.size === 600, 30_000)
      await worker.stop()
    } finally {
      await other.end()
      await dispose()
    }
  })
})
