import { resolve } from 'node:path'
import type { z } from 'zod'
import { CairnError } from '../errors/index.ts'
import { type Actor, DEFAULT_TENANT, checkTenant } from '../identity/index.ts'
import { SILENT_LOGGER } from '../observability/index.ts'
import { STATE_DEFAULTS } from '../state/index.ts'
import { EVENT_DEFAULTS } from './event-options.ts'
import { RECALL_DEFAULTS } from './recall-options.ts'
import { fromEnvironment } from './from-environment.ts'
import { OPTIONS_FILE, fromFile } from './from-file.ts'
import type { CairnOptions, NatsOptions, PostgresOptions, ResolvedOptions } from './options.ts'
import { OPTIONS_SCHEMA } from './options-schema.ts'

/**
 * Given options > environment > file > defaults; validated once, frozen. `postgres` and `nats` are taken whole from the
 * first source that has them, so that parts of two set-ups are never mixed. INVALID_OPTION names the field.
 */
export function resolveOptions(given: CairnOptions = {}, env: NodeJS.ProcessEnv = process.env): ResolvedOptions {
  const { logger, onProgress, ...plain } = given
  check(plain, 'open()')
  const path = resolve(env.CAIRN_CONFIG ?? OPTIONS_FILE)
  const file = fromFile(path, env.CAIRN_CONFIG !== undefined)
  check(file, path)
  const fromEnv = fromEnvironment(env)
  check(fromEnv, 'the environment')
  const merged: CairnOptions = { ...file, ...fromEnv, ...definedOnly(plain) }
  return Object.freeze({
    dataDir: resolve(merged.dataDir ?? '.cairn'),
    postgres: typeof merged.postgres === 'string' ? ({ url: merged.postgres } satisfies PostgresOptions) : merged.postgres,
    nats: typeof merged.nats === 'string' ? ({ servers: merged.nats.split(',') } satisfies NatsOptions) : merged.nats,
    tenant: checkTenant(merged.tenant ?? DEFAULT_TENANT),
    actor: Object.freeze<Actor>(merged.actor ?? { kind: 'system', id: 'cairn' }),
    migrate: merged.migrate ?? 'auto',
    state: Object.freeze({ ...STATE_DEFAULTS, ...definedOnly(file.state ?? {}), ...definedOnly(plain.state ?? {}) }),
    cache: Object.freeze({ ...definedOnly(file.cache ?? {}), ...definedOnly(plain.cache ?? {}) }),
    events: Object.freeze({ ...EVENT_DEFAULTS, ...definedOnly(file.events ?? {}), ...definedOnly(plain.events ?? {}) }),
    embedder: merged.embedder ?? 'auto',
    recall: Object.freeze({ ...RECALL_DEFAULTS, ...definedOnly(file.recall ?? {}), ...definedOnly(plain.recall ?? {}) }),
    messages: Object.freeze({ ...definedOnly(file.messages ?? {}), ...definedOnly(plain.messages ?? {}) }),
    tasks: Object.freeze({ ...definedOnly(file.tasks ?? {}), ...definedOnly(plain.tasks ?? {}) }),
    memory: Object.freeze({ ...definedOnly(file.memory ?? {}), ...definedOnly(plain.memory ?? {}) }),
    logger: logger ?? SILENT_LOGGER,
    onProgress: onProgress ?? (() => undefined),
  })
}

function check(options: object, source: string): void {
  const result = OPTIONS_SCHEMA.safeParse(definedOnly(options))
  if (result.success) return
  const issue = mostSpecific(result.error.issues)
  const unknown = issue?.code === 'unrecognized_keys' ? (issue.keys as string[]) : []
  const field = [...(issue?.path ?? []), ...unknown.slice(0, 1)].join('.') || 'options'
  const what = unknown.length > 0 ? 'there is no such option' : (issue?.message ?? 'it is not valid')
  throw new CairnError('INVALID_OPTION', `${field}: ${what} (from ${source}).`, { cause: result.error, details: { option: field } })
}

/** Of a union (a URL or its parts), the branch that got furthest tells most. */
function mostSpecific(issues: readonly z.core.$ZodIssue[], path: PropertyKey[] = []): { path: PropertyKey[]; message: string; code?: string; keys?: string[] } | undefined {
  const found = issues.map((issue) => {
    const here = [...path, ...issue.path]
    const inner = issue.code === 'invalid_union' ? issue.errors.map((branch) => mostSpecific(branch, here)).sort((a, b) => (b?.path.length ?? 0) - (a?.path.length ?? 0))[0] : undefined
    return inner ?? { ...issue, path: here }
  })
  return found[0]
}

function definedOnly<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T
}
