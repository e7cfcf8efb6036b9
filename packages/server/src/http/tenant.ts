import { CairnError, type Actor, type Cairn } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'

const ACTOR = /^(user|agent|service|system):([\x21-\x7e]{1,255})$/

/**
 * Gives each request the services of the tenant in `X-Cairn-Tenant` and the actor in `X-Cairn-Actor` (`kind:id`).
 * Both are believed as they are: this release has no authentication and is meant for the loopback address.
 */
export function tenantOf(cairn: Cairn): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    c.set('cairn', servicesOf(cairn, c.req.raw.headers))
    await next()
  }
}

/** The services of whom the headers name. */
export function servicesOf(cairn: Cairn, headers: Pick<Headers, 'get'>): Cairn {
  const tenant = headers.get('x-cairn-tenant')
  const actor = headers.get('x-cairn-actor')
  if (tenant === null && actor === null) return cairn
  return cairn.as({ ...(tenant === null ? {} : { tenant }), ...(actor === null ? {} : { actor: parseActor(actor) }) })
}

function parseActor(text: string): Actor {
  const [, kind, id] = ACTOR.exec(text) ?? []
  if (kind === undefined || id === undefined) {
    throw new CairnError('INVALID_ARGUMENT', `X-Cairn-Actor: ${JSON.stringify(text.slice(0, 80))} is not kind:id, with the kind user, agent, service or system and an id of 1 to 255 visible ASCII characters.`, {
      details: { field: 'X-Cairn-Actor', in: 'header' },
    })
  }
  return { kind: kind as Actor['kind'], id }
}
