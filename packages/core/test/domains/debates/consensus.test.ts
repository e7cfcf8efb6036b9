import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DebateMode, type DebateVoice, debateTally } from '../../../src/index.ts'
import { answered, checkSeats, speakersOf } from '../../../src/domains/debates/speaking-order.ts'
import type { DebateArgument, DebateParticipant } from '../../../src/index.ts'

const voice = fc.record({ position: fc.constantFrom('a', 'b', 'c', 'd'), weight: fc.double({ min: 1e-3, max: 1e6, noNaN: true }), confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true })) })
const voices = fc.array(voice, { minLength: 1, maxLength: 12 })

// proves S0-4-04
describe('the consensus score', () => {
  it('is from 0 to 1, with shares that add up to 1, and not 0 where somebody speaks', () => {
    fc.assert(
      fc.property(voices, (all) => {
        const { consensus, shares } = debateTally(all)
        expect(consensus).toBeGreaterThan(0)
        expect(consensus).toBeLessThanOrEqual(1)
        expect(shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
        // At least what as many equal camps would have.
        expect(consensus).toBeGreaterThanOrEqual(1 / shares.length - 1e-9)
      }),
    )
    expect(debateTally([])).toEqual({ consensus: 0, winner: null, tie: false, shares: [] })
  })

  it('is 1 when all agree, whatever they weigh and however sure they are', () => {
    fc.assert(
      fc.property(voices, (all) => {
        expect(debateTally(all.map((one) => ({ ...one, position: 'a' })))).toMatchObject({ consensus: 1, winner: 'a', tie: false })
      }),
    )
    expect(debateTally([{ position: 'a', weight: 1, confidence: 0 }, { position: 'a', weight: 2, confidence: 0 }]).consensus).toBe(1)
  })

  it('does not depend on the order, to the last digit', () => {
    fc.assert(
      fc.property(voices.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))), ([all, shuffled]) => {
        expect(debateTally(shuffled)).toEqual(debateTally(all))
      }),
    )
  })

  it('respects weights: a voice of weight n is n voices, and more weight for a position never lowers its share', () => {
    fc.assert(
      fc.property(voices, fc.integer({ min: 2, max: 5 }), (all, n) => {
        const [first, ...rest] = all as [DebateVoice, ...DebateVoice[]]
        const heavy = debateTally([{ ...first, weight: first.weight * n }, ...rest])
        const many = debateTally([...Array.from({ length: n }, () => first), ...rest])
        expect(heavy.consensus).toBeCloseTo(many.consensus, 9)
        const share = (of: ReturnType<typeof debateTally>): number => of.shares.find(({ position }) => position === first.position)?.share ?? 0
        expect(share(heavy)).toBeGreaterThanOrEqual(share(debateTally(all)) - 1e-12)
      }),
    )
  })

  it('rises when support moves to the largest camp', () => {
    fc.assert(
      fc.property(voices, (all) => {
        const before = debateTally(all)
        fc.pre(before.winner !== null)
        const moved = all.map((one, index) => (index === 0 ? { ...one, position: before.winner as string } : one))
        expect(debateTally(moved).consensus).toBeGreaterThanOrEqual(before.consensus - 1e-9)
      }),
    )
  })

  it('names a winner only with the largest share, no tie and the threshold reached', () => {
    const of = (position: string, weight = 1, confidence: number | null = null): DebateVoice => ({ position, weight, confidence })
    expect(debateTally([of('a'), of('b')])).toMatchObject({ winner: null, tie: true, consensus: 0.5 })
    expect(debateTally([of('a', 0.1), of('a', 0.2), of('b', 0.3)])).toMatchObject({ winner: null, tie: true })
    expect(debateTally([of('a', 3), of('b'), of('c')], 0.6)).toMatchObject({ winner: 'a' })
    expect(debateTally([of('a', 3), of('b'), of('c')], 0.61)).toMatchObject({ winner: null, tie: false })
    expect(debateTally([of('a', 1, 0.2), of('b', 1, 0.9)])).toMatchObject({ winner: 'b' })
  })
})

describe('who speaks when, and answers whom', () => {
  const seat = (number: number, position: string | null, role: 'speaker' | 'moderator' = 'speaker'): DebateParticipant => ({ number, name: `p${number}`, agentId: null, role, position, weight: 1 })
  const argument = (round: number, turn: number, participant: string, position: string | null): DebateArgument => ({
    id: `${round}.${turn}`, seq: turn, round, turn, participant, position, content: 'x', confidence: null, evidence: [], replyTo: null, tokens: 1, createdAt: new Date(0),
  })

  it('structured: the same order every round; from the second round on each answers the latest of another position', () => {
    const seats = [seat(1, 'a'), seat(2, 'b'), seat(3, 'b')]
    expect([1, 2].map((round) => speakersOf('structured', seats, round))).toEqual([[1, 2, 3], [1, 2, 3]])
    const said = [argument(1, 1, 'p1', 'a'), argument(1, 2, 'p2', 'b'), argument(1, 3, 'p3', 'b')]
    expect(answered('structured', seats, seats[2]!, 1, said.slice(0, 2))).toBeNull()
    expect(answered('structured', seats, seats[2]!, 2, said)?.id).toBe('1.1')
    expect(answered('structured', seats, seats[0]!, 2, said)?.id).toBe('1.3')
    const agreed = [seat(1, 'a'), seat(2, 'a')]
    expect(answered('structured', agreed, agreed[0]!, 2, [argument(1, 1, 'p1', 'a'), argument(1, 2, 'p2', 'a')])?.id).toBe('1.2')
  })

  it('adversarial: the sides in turn, equally often, each answering the other', () => {
    const seats = [seat(1, 'for'), seat(2, 'for'), seat(3, 'against'), seat(4, 'for'), seat(5, 'against')]
    expect([1, 2].map((round) => speakersOf('adversarial', seats, round))).toEqual([[1, 3, 2, 5, 4, 3], [3, 1, 5, 2, 3, 4]])
    expect(answered('adversarial', seats, seats[2]!, 1, [argument(1, 1, 'p1', 'for')])?.id).toBe('1.1')
    expect(answered('adversarial', seats, seats[0]!, 1, [])).toBeNull()
  })

  it('panel: the moderator first, another panellist first each round, all answering the moderator', () => {
    const seats = [seat(1, 'a'), seat(2, null, 'moderator'), seat(3, 'b'), seat(4, null)]
    expect([1, 2, 3, 4].map((round) => speakersOf('panel', seats, round))).toEqual([[2, 1, 3, 4], [2, 3, 4, 1], [2, 4, 1, 3], [2, 1, 3, 4]])
    const said = [argument(1, 1, 'p2', null), argument(1, 2, 'p1', 'a')]
    expect(answered('panel', seats, seats[2]!, 1, said)?.id).toBe('1.1')
    expect(answered('panel', seats, seats[1]!, 2, said)?.id).toBe('1.2')
  })

  it('free: all, answering nobody unless they say so', () => {
    const seats = [seat(1, null), seat(2, null)]
    expect(speakersOf('free', seats, 3)).toEqual([1, 2])
    expect(answered('free', seats, seats[0]!, 2, [argument(1, 2, 'p2', null)])).toBeNull()
  })

  it('refuses seats with which a mode cannot be held', () => {
    const refused: [DebateMode, DebateParticipant[]][] = [
      ['structured', [seat(1, 'a')]],
      ['structured', [seat(1, 'a'), seat(2, 'b'), seat(3, null, 'moderator')]],
      ['adversarial', [seat(1, 'a'), seat(2, 'a')]],
      ['adversarial', [seat(1, 'a'), seat(2, 'b'), seat(3, 'c')]],
      ['adversarial', [seat(1, 'a'), seat(2, 'b'), seat(3, null)]],
      ['panel', [seat(1, 'a'), seat(2, null, 'moderator')]],
      ['panel', [seat(1, 'a'), seat(2, 'b'), seat(3, null, 'moderator'), seat(4, null, 'moderator')]],
      ['panel', [seat(1, 'a'), seat(2, 'b'), seat(3, 'c', 'moderator')]],
    ]
    for (const [mode, seats] of refused) expect(() => checkSeats(mode, seats), mode).toThrow(/participants: /)
  })
})
