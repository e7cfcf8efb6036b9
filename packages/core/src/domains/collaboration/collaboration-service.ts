import type { Embedder } from '../../embedding/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { considerSituation } from './consider.ts'
import { Fusions } from './fusions.ts'
import { Partnerships } from './partnerships.ts'
import { CollaborationRequests } from './requests.ts'
import { Room } from './room.ts'
import type { Situation, TriggeredCollaboration } from './types.ts'

/**
 * How the agents of one tenant work together: partnerships, requests, fused insights. Errors of all methods besides those named: INVALID_ARGUMENT with
 * `details.field`, and those of the SQL engine. Source: S3 §9–§11, §16, §17, §20.
 */
export class CollaborationService {
  readonly partnerships: Partnerships
  readonly requests: CollaborationRequests
  readonly fusions: Fusions
  readonly #room: Room

  /** `embedder`: for semantic fusion where a call brings none. */
  constructor(context: DomainContext, embedder?: Embedder) {
    this.#room = new Room(context)
    this.partnerships = new Partnerships(this.#room)
    this.requests = new CollaborationRequests(this.#room, this.partnerships)
    this.fusions = new Fusions(this.#room, this.requests, embedder)
  }

  /**
   * Asks the automatic triggers of each active partnership of the agent, the most effective first: each says whether it fires and why. One with the action
   * `open` opens a request, once for the same key or task. AGENT_NOT_FOUND, TASK_NOT_FOUND. Source: S3 §9, §20.
   */
  consider(situation: Situation): Promise<TriggeredCollaboration[]> {
    return considerSituation(this.#room, this.requests, situation)
  }
}
