import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { AGE_MS } from './ageing.ts'

export interface WorkOptions<Payload = unknown> {
  /** Handlers that run at once. @default 10 */
  readonly concurrency?: number
  /**
   * Tasks held in memory, claimed and not yet begun, besides those that run. More of them make small tasks faster and spread them
   * less evenly over processes; 0 claims only what can begin at once. @default concurrency
   */
  readonly prefetch?: number
  /** Silence after which others take the tasks over. The heartbeat is sent three times in it. @default 9000 */
  readonly leaseMs?: number
  /** How often it looks for tasks without being woken. @default 2000 */
  readonly pollMs?: number
  /** Only tasks of this agent: id or key. */
  readonly agent?: string
  /** What payloads must look like; what it returns is what the handler gets. A payload that fails it is a dead letter at once. */
  readonly schema?: z.ZodType<Payload>
  /**
   * When tasks of a priority have waited for so long, and higher ones alone were claimed meanwhile, one in sixteen of the tasks that this worker
   * claims is of that priority. 0: higher priorities always go first. @default 60000
   */
  readonly ageMs?: number
  /** How long `stop` waits for running handlers before it aborts them and hands their tasks back. @default 30000 */
  readonly drainMs?: number
  /** Ends are written in statements of up to so many tasks. @default 500 */
  readonly batch?: number
}

const schema = z.strictObject({
  concurrency: z.number().int().min(1).max(10_000).default(10),
  prefetch: z.number().int().min(0).max(10_000).optional(),
  leaseMs: z.number().int().min(200).max(3_600_000).default(9000),
  pollMs: z.number().int().min(10).max(3_600_000).default(2000),
  agent: z.string().min(1).optional(),
  schema: z.custom<z.ZodType>((value) => typeof value === 'object' && value !== null && 'safeParse' in value, 'must be a zod schema').optional(),
  ageMs: z.number().int().min(0).max(86_400_000).default(AGE_MS),
  drainMs: z.number().int().min(0).default(30_000),
  batch: z.number().int().min(1).max(5000).default(500),
})

export interface ResolvedWorkOptions {
  readonly concurrency: number
  readonly prefetch: number
  readonly leaseMs: number
  readonly pollMs: number
  readonly agent: string | undefined
  readonly schema: z.ZodType | undefined
  readonly ageMs: number
  readonly drainMs: number
  readonly batch: number
}

/** INVALID_OPTION with `details.option`. */
export function resolveWorkOptions(given: unknown): ResolvedWorkOptions {
  const result = schema.safeParse(given)
  if (!result.success) {
    const issue = result.error.issues[0] as z.core.$ZodIssue
    const option = issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : 'options')
    throw new CairnError('INVALID_OPTION', `tasks.work: ${option}: ${issue.message}.`, { details: { option } })
  }
  const { prefetch, agent, schema: payload, ...rest } = result.data
  return Object.freeze({ ...rest, prefetch: prefetch ?? rest.concurrency, agent, schema: payload })
}
