import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { agentNotFound, existingAgents, resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { effectiveOf } from './effective.ts'
import { exportUser, forgetUser } from './forget.ts'
import {
  type PreferencesPatch, checkFeedback, checkForgetting, checkInteraction, checkInteractionId, checkPruning, checkSettings, checkUser, checkVersion, mergedPreferences,
} from './input.ts'
import { judge, learn } from './learn.ts'
import {
  ACTIVE_PROFILE, DIFFERING_TOPICS, LIST_INTERACTIONS, LIST_USERS, LIST_VERSIONS, RECOMPUTE_SUMS, SELECT_USER, SET_USER,
} from './personality-queries.ts'
import { type ProfileRow, type UserRow, type Whose, addVersion, learnedNow, lockOrAddUser } from './profile-store.ts'
import { pruneUsers } from './prune.ts'
import { rollBack } from './rollback.ts'
import { rounded } from './statistics.ts'
import type {
  Counts, ForgetOptions, ForgottenPersonality, InteractionFeedback, InteractionListOptions, LearningInteraction, NewInteraction, ObservedInteraction, PersonalityAudit, PersonalityExport,
  PersonalityProfile, PersonalityUser, PersonalityVersion, PrunePersonality, UserSettings,
} from './types.ts'

/** Deadlocks with a retention pass or a removed agent are run again. */
const TRIES = 5

/**
 * What is learned about the users of one tenant from what they write, without a model. Users are those of the caller: any text of 1..255 characters.
 * Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine. Source: S3 §8, §20.
 */
export class PersonalityService {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /**
   * Learns from one interaction; a user is known from the first on. Any number of processes may learn about one user at once: nothing is lost, and the order
   * does not matter. AGENT_NOT_FOUND.
   */
  async observe(userId: string, interaction: NewInteraction): Promise<ObservedInteraction> {
    const whose = this.#whose(userId)
    const { agent, feedback, ...checked } = checkInteraction(interaction)
    const judged = checkFeedback(feedback === undefined ? {} : (feedback as InteractionFeedback))
    const agentId = agent === undefined ? null : await this.#agent(agent)
    return this.#write((session) => learn(session, whose, { ...checked, feedback: judged, agentId }))
  }

  /** Gives an interaction this feedback in place of what it had; without a field it takes it back. NOT_FOUND. */
  async giveFeedback(userId: string, interactionId: string, feedback: InteractionFeedback): Promise<LearningInteraction> {
    const whose = this.#whose(userId)
    const [id, checked] = [checkInteractionId(interactionId), checkFeedback(feedback)]
    const judged = await this.#write((session) => judge(session, whose, id, checked))
    if (judged === undefined) throw this.#notFound(`interaction ${id} of the user ${JSON.stringify(userId)}`)
    return judged
  }

  /** The profile of now. NOT_FOUND for a user of whom nothing was learned or stated. */
  async get(userId: string): Promise<PersonalityProfile> {
    const found = await this.find(userId)
    if (found === undefined) throw this.#notFound(`profile of the user ${JSON.stringify(userId)}`)
    return found
  }

  /** Undefined for a user of whom nothing was learned or stated. */
  async find(userId: string): Promise<PersonalityProfile | undefined> {
    const whose = this.#whose(userId)
    const { identity, sql } = this.#context
    return sql.transaction(identity, (session) => profileOf(session, whose), { isolation: 'repeatable read', readOnly: true })
  }

  /** By id. */
  async users(options: PageOptions = {}): Promise<Page<PersonalityUser>> {
    const limit = pageLimit(options)
    const after = decodeCursor('personality.users', options.cursor, 1)?.[0] ?? null
    const { identity, sql } = this.#context
    const { rows } = await sql.query<PersonalityUser>(identity, LIST_USERS, [identity.tenant, after, limit + 1])
    return toPage('personality.users', rows, limit, ({ userId }) => [userId])
  }

  /** States preferences beside those there are; null takes one back. They come before what was learned. Makes a version when something changes. */
  async setPreferences(userId: string, patch: PreferencesPatch): Promise<PersonalityProfile> {
    const whose = this.#whose(userId)
    mergedPreferences({}, patch)
    return this.#write(async (session) => {
      const user = await lockOrAddUser(session, whose)
      const preferences = mergedPreferences(user.preferences, patch)
      if (!sameJson(preferences, user.preferences)) {
        await session.query(SET_USER, [...whose, user.timeZone, user.learning, JSON.stringify(preferences)])
        await addVersion(session, whose, await learnedNow(session, whose, user.sums), user.sums['messages'] ?? 0, ['preferences'])
      }
      return profileOf(session, whose) as Promise<PersonalityProfile>
    })
  }

  /** Sets the time zone, and whether anything is learned about this user; what is left out stays. */
  async configure(userId: string, settings: UserSettings): Promise<PersonalityProfile> {
    const whose = this.#whose(userId)
    const { timeZone, learning } = checkSettings(settings)
    return this.#write(async (session) => {
      const user = await lockOrAddUser(session, whose)
      await session.query(SET_USER, [...whose, timeZone ?? user.timeZone, learning ?? user.learning, JSON.stringify(user.preferences)])
      return profileOf(session, whose) as Promise<PersonalityProfile>
    })
  }

  /** Newest first; at most the number that retention keeps. */
  async interactions(userId: string, options: InteractionListOptions = {}): Promise<Page<LearningInteraction>> {
    const whose = this.#whose(userId)
    const limit = pageLimit(options)
    const before = decodeCursor('personality.interactions', options.cursor, 1)?.[0] ?? null
    const { rows } = await this.#context.sql.query<LearningInteraction>(this.#context.identity, LIST_INTERACTIONS, [...whose, before, limit + 1])
    return toPage('personality.interactions', rows, limit, ({ seq }) => [seq])
  }

  /** Newest first. */
  async versions(userId: string, options: PageOptions = {}): Promise<Page<PersonalityVersion>> {
    const whose = this.#whose(userId)
    const limit = pageLimit(options)
    const before = decodeCursor('personality.versions', options.cursor, 1)?.[0] ?? null
    const { rows } = await this.#context.sql.query<ProfileRow>(this.#context.identity, LIST_VERSIONS, [...whose, before, limit + 1])
    return toPage('personality.versions', rows.map(versionOf), limit, ({ version }) => [version])
  }

  /**
   * Takes what was learned after a version out of the profile, as a new version; its interactions stay stored, and rolling back to a later version counts
   * them again. Preferences stay as they are. NOT_FOUND; ROLLBACK_IMPOSSIBLE when interactions that it needs are deleted.
   */
  async rollback(userId: string, version: number): Promise<PersonalityProfile> {
    const whose = this.#whose(userId)
    const to = checkVersion(version)
    const done = await this.#write(async (session) => ((await rollBack(session, whose, to)) ? profileOf(session, whose) : undefined))
    if (done === undefined) throw this.#notFound(`version ${to} of the profile of the user ${JSON.stringify(userId)}`)
    return done
  }

  /** Deletes all that is stored of a user, also while others learn: what they observe later begins anew, unless `stopLearning`. */
  async forget(userId: string, options: ForgetOptions = {}): Promise<ForgottenPersonality> {
    const whose = this.#whose(userId)
    const { stopLearning } = checkForgetting(options)
    return this.#write((session) => forgetUser(session, whose, stopLearning))
  }

  /** All that is stored of a user, at one moment. NOT_FOUND. */
  async export(userId: string): Promise<PersonalityExport> {
    const whose = this.#whose(userId)
    const { identity, sql } = this.#context
    const made = await sql.transaction(identity, (session) => exportUser(session, whose, profileOf), { isolation: 'repeatable read', readOnly: true })
    if (made === undefined) throw this.#notFound(`profile of the user ${JSON.stringify(userId)}`)
    return made
  }

  /** Deletes what is older than the options say; what was learned from it stays in the profile. The upkeep does this once an hour with the defaults. */
  async prune(options: PrunePersonality = {}): Promise<{ users: number; interactions: number; versions: number; topics: number }> {
    return pruneUsers(this.#context, checkPruning(options), (work) => this.#write(work))
  }

  /** Makes the sums and topics of a user anew from the interactions and compares. NOT_FOUND. */
  async audit(userId: string): Promise<PersonalityAudit> {
    const whose = this.#whose(userId)
    const { identity, sql } = this.#context
    const read = async (session: SqlSession): Promise<PersonalityAudit | undefined> => {
      const row = (await session.query<{ sums: Counts; recomputed: Counts }>(RECOMPUTE_SUMS, whose)).rows[0]
      if (row === undefined) return undefined
      const differingTopics = (await session.query<{ term: string }>(DIFFERING_TOPICS, whose)).rows.map(({ term }) => term)
      return { equal: sameJson(row.sums, row.recomputed) && differingTopics.length === 0, ...row, differingTopics }
    }
    const audited = await sql.transaction(identity, read, { isolation: 'repeatable read', readOnly: true })
    if (audited === undefined) throw this.#notFound(`profile of the user ${JSON.stringify(userId)}`)
    return audited
  }

  #write<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    const { identity, sql } = this.#context
    return sql.transaction(identity, work, { attempts: TRIES })
  }

  #whose(userId: string): Whose {
    return [this.#context.identity.tenant, checkUser(userId)]
  }

  async #agent(agent: string): Promise<string> {
    const id = await resolveAgentId(this.#context, agent, 'agent')
    if (!(await existingAgents(this.#context, [id])).has(id)) throw agentNotFound(this.#context, agent)
    return id
  }

  #notFound(what: string): CairnError {
    const { tenant } = this.#context.identity
    return new CairnError('NOT_FOUND', `No ${what} exists in tenant "${tenant}". Check the id and the tenant; personality.users lists who is known.`, { details: { tenant } })
  }
}

async function profileOf(session: SqlSession, whose: Whose): Promise<PersonalityProfile | undefined> {
  const user = (await session.query<UserRow>(SELECT_USER, whose, { name: 'personality_user' })).rows[0]
  const active = (await session.query<ProfileRow>(ACTIVE_PROFILE, whose, { name: 'personality_active' })).rows[0]
  if (user === undefined || active === undefined) return undefined
  const learned = await learnedNow(session, whose, user.sums)
  return {
    profileId: active.profileId,
    userId: user.userId,
    version: active.version,
    sampleSize: active.sampleSize,
    confidence: rounded(active.confidence),
    timeZone: user.timeZone,
    learning: user.learning,
    preferences: user.preferences,
    effective: effectiveOf(user.preferences, learned, active.sampleSize),
    ...learned,
    lastUpdated: active.lastUpdated,
    createdAt: user.createdAt,
  }
}

function versionOf({ snapshotSize: _, lastUpdated: __, ...version }: ProfileRow): PersonalityVersion {
  return version
}

function sameJson(one: object, other: object): boolean {
  const sorted = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => [name, sorted(each)]))
      : value
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))
}
