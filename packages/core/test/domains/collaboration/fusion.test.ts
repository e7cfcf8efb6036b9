import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FUSION_METHODS, type Insight, fuseInsights, judgeTrigger } from '../../../src/index.ts'

const insight: fc.Arbitrary<Insight> = fc.record(
  {
    agent: fc.constantFrom('ann', 'bob', 'cy', 'dan'),
    content: fc.constantFrom('ship it now', 'ship it later', 'do not ship it', 'ask the customer first', 'Ship  it NOW'),
    position: fc.constantFrom('yes', 'no', 'Later', ' later '),
    confidence: fc.integer({ min: 0, max: 10 }).map((n) => n / 10),
    weight: fc.integer({ min: 1, max: 9 }),
    ranking: fc.shuffledSubarray(['yes', 'no', 'later'], { minLength: 1 }),
    evidence: fc.array(fc.constantFrom('log', 'test'), { maxLength: 2 }),
    recommendations: fc.array(fc.constantFrom('test more', 'Test more', 'wait'), { maxLength: 2 }),
  },
  { requiredKeys: ['agent', 'content'] },
)
const insights = fc.array(insight, { minLength: 1, maxLength: 9 })
const method = fc.constantFrom(...FUSION_METHODS)
const fuse = (given: readonly Insight[], by: (typeof FUSION_METHODS)[number], threshold = 0.5) => fuseInsights(given, { method: by, threshold })
/** Without the places in the list given. */
const essence = ({ provenance, ...rest }: ReturnType<typeof fuse>) => ({ ...rest, provenance: provenance.map(({ index: _, ...each }) => JSON.stringify(each)).sort() })

describe('fusion', () => {
  it('does not depend on the order of the insights', () => {
    fc.assert(
      fc.property(insights.chain((given) => fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length }))), method, ([one, other], by) => {
        expect(essence(fuse(other, by))).toEqual(essence(fuse(one, by)))
      }),
    )
  })

  it('does not depend on a common factor of the weights', () => {
    fc.assert(
      fc.property(insights, method, fc.constantFrom(0.001, 0.1, 3, 7, 1e6), (given, by, factor) => {
        const scaled = given.map((each) => ({ ...each, weight: (each.weight ?? 1) * factor }))
        const [one, other] = [fuse(given, by), fuse(scaled, by)]
        expect(other.position).toBe(one.position)
        expect(other.consensusLevel).toBeCloseTo(one.consensusLevel, 3)
        expect(other.confidence).toBeCloseTo(one.confidence, 3)
      }),
    )
  })

  it('is unanimous when all say the same, and every figure is a share', () => {
    fc.assert(
      fc.property(insights, method, (given, by) => {
        const same = given.map(({ ranking: _, ...each }) => ({ ...each, content: 'the one answer', position: 'one' }))
        expect(fuse(same, by)).toMatchObject({ consensusLevel: 1, position: 'one', conflicts: [] })
        const { consensusLevel, confidence, insightQuality, actionability, sides, provenance, recommendations } = fuse(given, by)
        for (const share of [consensusLevel, confidence, insightQuality, actionability, ...sides.map((side) => side.share), ...recommendations.map(({ support }) => support)]) {
          expect(share >= 0 && share <= 1).toBe(true)
        }
        expect(sides.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 2)
        expect(provenance.map(({ index }) => index)).toEqual(given.map((_, index) => index))
      }),
    )
  })

  it('weighs, counts heads, ranks and trusts as each method says', () => {
    const given: Insight[] = [
      { agent: 'expert', content: 'no, not yet', position: 'no', weight: 5, confidence: 0.2, recommendations: ['Wait'], evidence: ['log'] },
      { agent: 'b', content: 'yes', position: 'yes', confidence: 0.9, recommendations: ['ship', 'test '] },
      { agent: 'c', content: 'YES ', position: ' Yes', confidence: 0.8, recommendations: ['Test'] },
    ]
    expect(fuse(given, 'weighted_consensus')).toMatchObject({ position: 'no', consensusLevel: 0.7143, confidence: 0.1429, actionability: 1, unifiedInsight: 'no, not yet' })
    expect(fuse(given, 'majority')).toMatchObject({ position: 'yes', consensusLevel: 0.6667, unifiedInsight: 'yes', conflicts: [{ position: 'no', agents: ['expert'], share: 0.3333 }] })
    expect(fuse(given, 'confidence_weighted')).toMatchObject({ position: 'yes', consensusLevel: 0.6296 })
    expect(fuse(given, 'majority').recommendations.map(({ text, agents }) => [text.toLowerCase(), agents.length])).toEqual([['wait', 1], ['test', 2], ['ship', 1]])
    // An agent that says a thing twice has one vote.
    expect(fuse([...given, { agent: 'expert', content: 'still no', position: 'no' }, { agent: 'expert', content: 'no!', position: 'no' }], 'majority').position).toBe('yes')
  })

  it('ranks by Borda: what nobody puts first may win', () => {
    const ranked = (agent: string, ...ranking: string[]): Insight => ({ agent, content: `I say ${ranking[0]}`, position: ranking[0]!, ranking })
    const fused = fuse([ranked('a', 'left', 'middle', 'right'), ranked('b', 'right', 'middle', 'left'), ranked('c', 'middle', 'left', 'right')], 'ranked')
    expect(fused).toMatchObject({ position: 'middle', consensusLevel: 0.6667 })
    expect(fuse([ranked('a', 'left', 'middle', 'right'), ranked('b', 'right', 'middle', 'left')], 'ranked').sides.map(({ position, share }) => [position, share])).toEqual([['left', 0.3333], ['middle', 0.3333], ['right', 0.3333]])
    // What is not named shares what is left.
    expect(fuse([ranked('a', 'x'), ranked('b', 'x'), ranked('c', 'y', 'z')], 'ranked')).toMatchObject({ position: 'x' })
  })

  it('of equals the first of the alphabet wins, always', () => {
    const tied: Insight[] = [{ agent: 'z', content: 'beta' }, { agent: 'a', content: 'alpha' }, { agent: 'm', content: 'gamma' }]
    for (const by of FUSION_METHODS) expect(fuse(tied, by).position, by).toBe('alpha')
  })

  it('joins what means the same, by words or by vectors', () => {
    const given: Insight[] = [
      { agent: 'a', content: 'raise the memory limit of the worker' },
      { agent: 'b', content: 'raise the memory limit of each worker' },
      { agent: 'c', content: 'rewrite it in assembly' },
    ]
    const fused = fuse(given, 'semantic')
    expect(fused.sides.map(({ agents }) => agents)).toEqual([['a', 'b'], ['c']])
    expect(fused.consensusLevel).toBeGreaterThan(0.5)
    expect(fused.consensusLevel).toBeLessThan(0.6667)
    expect(fuseInsights(given, { method: 'semantic', threshold: 0.9, similarity: () => 1 })).toMatchObject({ consensusLevel: 1, conflicts: [] })
    expect(fuse(given, 'semantic', 1).sides).toHaveLength(3)
  })
})

describe('automatic triggers', () => {
  // proves S3-9-03
  it('fire when all conditions hold, or any where the rules say so, and say why', () => {
    const rules = { taskTypes: ['report.*'], minFailures: 2, belowConfidence: 0.4, topics: ['Finance'], minPriority: 'high' } as const
    const all = { agent: 'a', taskType: 'report.monthly', failures: 2, confidence: 0.3, topics: ['finance'], priority: 'urgent' } as const
    expect(judgeTrigger(rules, all)).toMatchObject({ fires: true, missing: [] })
    expect(judgeTrigger(rules, all).reasons).toHaveLength(5)
    for (const [name, value] of [['taskType', 'reporting'], ['failures', 1], ['confidence', 0.4], ['topics', ['sport']], ['priority', 'normal']] as const) {
      const verdict = judgeTrigger(rules, { ...all, [name]: value })
      expect([verdict.fires, verdict.missing.length], name).toEqual([false, 1])
    }
    expect(judgeTrigger({ ...rules, match: 'any' }, { agent: 'a', failures: 9 })).toMatchObject({ fires: true, reasons: ['it failed 9 times (from 2 on)'] })
    expect(judgeTrigger({}, all).fires).toBe(false)
    expect(judgeTrigger({ match: 'any' }, all).fires).toBe(false)
    expect(judgeTrigger({ belowConfidence: 0.5 }, { agent: 'a' }).fires).toBe(false)
  })
})
