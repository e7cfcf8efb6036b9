import * as z from 'zod'
import { check, invalid, isUuid, text, uuidText, wholeMs } from '../../checks/index.ts'
import type { DebateBallot, DebateConfiguration, DebateStatement, NewDebate } from './types.ts'
import { DEBATE_MODES, DEBATE_ROLES, DEBATE_STATUSES, DEBATE_VOTINGS } from './words.ts'

const LONGEST_MS = 1e12
const share = z.number().min(0).max(1)
const count = (max: number) => z.number().int().min(1).max(max)
const position = text(1, 100)
export const idOrKey = text(1, 255)

const settings = z.strictObject({
  rounds: count(100).default(3),
  voting: z.enum(DEBATE_VOTINGS).default('ballot'),
  stopAtConsensus: share.nullable().default(null),
  threshold: share.default(0),
  timeBudgetMs: wholeMs(1, LONGEST_MS).nullable().default(null),
  tokenBudget: count(Number.MAX_SAFE_INTEGER).nullable().default(null),
  callTimeoutMs: wholeMs(1).default(120_000),
  answerTimeoutMs: wholeMs(1, LONGEST_MS).nullable().default(null),
  attempts: count(100).default(3),
  onFailure: z.enum(['skip', 'fail']).default('skip'),
})

const newDebate = z.strictObject({
  key: text(1, 255).refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id').optional(),
  topic: text(1, 2000),
  problemStatement: text(0, 262_144).optional(),
  mode: z.enum(DEBATE_MODES).default('structured'),
  participants: z
    .array(
      z.strictObject({
        name: text(1, 255).optional(),
        agent: idOrKey.optional(),
        role: z.enum(DEBATE_ROLES).default('speaker'),
        position: position.optional(),
        weight: z.number().min(1e-6).max(1_000_000).default(1),
      }),
    )
    .max(101),
  configuration: settings.prefault({}),
  algorithmId: text(1, 50).optional(),
  compressionRequestIds: z.array(text(1, 36)).max(1000).default([]),
})

export type CheckedDebate = Omit<z.output<typeof newDebate>, 'configuration' | 'participants'> & {
  readonly configuration: DebateConfiguration
  readonly participants: readonly (z.output<typeof newDebate>['participants'][number] & { readonly name: string })[]
}

export function checkDebate(input: NewDebate): CheckedDebate {
  const checked = check(newDebate, input, 'debate')
  const names = new Set<string>()
  const participants = checked.participants.map((each, index) => {
    const name = each.name ?? each.agent
    if (name === undefined) throw invalid(`participants.${index}.name`, 'a participant needs a name, or an agent whose name it takes')
    if (names.has(name)) throw invalid(`participants.${index}.name`, `${JSON.stringify(name)} takes part already`)
    names.add(name)
    return { ...each, name }
  })
  return { ...checked, participants }
}

const statementFields = {
  position: position.optional(),
  confidence: share.optional(),
  evidence: z.array(z.unknown()).max(1000).optional(),
  replyTo: uuidText.optional(),
  tokens: z.number().int().min(0).max(2_147_483_647).optional(),
}
const statement = z.strictObject({ content: text(1, 262_144), ...statementFields })
const ballotFields = { confidence: share.optional(), reason: text(0, 10_000).optional() }
const ballot = z.strictObject({ position, ...ballotFields })

/** What a function gave back; null when it passed. */
export function checkStatement(given: unknown): DebateStatement | null {
  if (given === null || given === undefined) return null
  return check(statement, typeof given === 'string' ? { content: given } : given, 'statement') as DebateStatement
}

export function checkBallot(given: unknown): DebateBallot | null {
  if (given === null || given === undefined) return null
  return check(ballot, typeof given === 'string' ? { position: given } : given, 'ballot') as DebateBallot
}

export const submitSchema = z.strictObject({ participant: text(1, 255), content: text(1, 262_144).optional(), pass: z.boolean().default(false), operationId: text(1, 255).optional(), ...statementFields })
export const voteSchema = z.strictObject({ participant: text(1, 255), position: position.optional(), abstain: z.boolean().default(false), ...ballotFields })
export const reasonSchema = text(0, 2000)

const callable = z.custom<(...given: never[]) => unknown>((value) => typeof value === 'function', 'must be a function')
export const callsSchema = z.strictObject({ speak: callable, vote: callable.optional(), service: text(1, 255).optional() })
export const runSchema = z.strictObject({
  conclude: callable.optional(),
  countTokens: callable.optional(),
  leaseMs: wholeMs(100, 3_600_000).default(10_000),
  pollMs: wholeMs(10, 3_600_000).default(500),
  waitMs: wholeMs(0).default(0),
  whenWaiting: z.enum(['wait', 'return']).default('wait'),
  signal: z.instanceof(AbortSignal).optional(),
})

const page = { limit: z.number().optional(), cursor: z.string().optional() }
export const listSchema = z.strictObject({ status: z.enum(DEBATE_STATUSES).optional(), mode: z.enum(DEBATE_MODES).optional(), agent: idOrKey.optional(), algorithmId: text(1, 50).optional(), ...page })
export const argumentsSchema = z.strictObject({ round: count(1_000_000).optional(), participant: text(1, 255).optional(), ...page })
