import type { Cairn } from '@cairn/core'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'

/** What the middleware gives to the handlers of a request. */
export interface AppEnv {
  Variables: {
    /** The services of the tenant and actor that the request names. */
    cairn: Cairn
    /** Shown in the header X-Request-Id and in the log. */
    requestId: string
  }
}

export type App = OpenAPIHono<AppEnv>
export type AppContext = Context<AppEnv>
