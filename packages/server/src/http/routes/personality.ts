import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  ForgetQuery, Forgotten, InteractionFeedback, InteractionParam, LearningInteraction, NewInteraction, ObservedInteraction, PersonalityExport, PersonalityProfile, PersonalityUser, PersonalityVersion,
  PreferencesPatch, Rollback, UserParam, UserSettings,
} from '../schemas/personality.ts'

const tags = ['personality']
const headers = TenantHeaders
const ofUser = { params: UserParam, headers }
const profile = json(PersonalityProfile, 'The profile.')

/** What is learned about users. */
export function personalityRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/personality', tags, summary: 'Learn from an interaction of a user', request: { headers, body: body(NewInteraction, 'What was said.') },
      responses: { 201: json(ObservedInteraction, 'What the profile has come to.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { user, ...interaction } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').personality.observe(user, interaction), 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/personality', tags, summary: 'List users of whom something was learned', request: { headers, query: PageQuery },
      responses: { 200: json(pageOf(PersonalityUser), 'A page of users, by id.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').personality.users(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/personality/{user}', tags, summary: "Read a user's profile", request: ofUser, responses: { 200: profile, ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').personality.get(c.req.valid('param').user), 200),
  )
  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/personality/{user}', tags, summary: 'Forget a user: delete everything that was learned or stated', request: { ...ofUser, query: ForgetQuery },
      responses: { 200: json(Forgotten, 'What was deleted.'), ...problems() },
    }),
    async (c) => {
      const { forgotten, ...counts } = await c.get('cairn').personality.forget(c.req.valid('param').user, exact(c.req.valid('query')))
      return c.json({ deleted: forgotten, ...(forgotten ? counts : {}) }, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/personality/{user}/export', tags, summary: 'Read everything that is stored of a user', request: ofUser, responses: { 200: json(PersonalityExport, 'All of it.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').personality.export(c.req.valid('param').user), 200),
  )
  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/personality/{user}/preferences', tags, summary: 'State preferences; they come before what was learned', request: { ...ofUser, body: body(PreferencesPatch, 'What is left out stays; null takes one back.') },
      responses: { 200: profile, ...problems('PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR') },
    }),
    async (c) => c.json(await c.get('cairn').personality.setPreferences(c.req.valid('param').user, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/personality/{user}/settings', tags, summary: 'Set the time zone of a user, and whether anything is learned', request: { ...ofUser, body: body(UserSettings, 'What is left out stays.') },
      responses: { 200: profile, ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').personality.configure(c.req.valid('param').user, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/personality/{user}/interactions', tags, summary: 'List what was learned from, newest first', request: { ...ofUser, query: PageQuery },
      responses: { 200: json(pageOf(LearningInteraction), 'A page of interactions; no text.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').personality.interactions(c.req.valid('param').user, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/personality/{user}/interactions/{interaction}/feedback', tags, summary: 'Say how the response to an interaction was', request: { params: InteractionParam, headers, body: body(InteractionFeedback, 'In place of what was said before.') },
      responses: { 200: json(LearningInteraction, 'The interaction.'), ...problems('NOT_FOUND') },
    }),
    async (c) => {
      const { user, interaction } = c.req.valid('param')
      return c.json(await c.get('cairn').personality.giveFeedback(user, interaction, exact(c.req.valid('json'))), 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/personality/{user}/versions', tags, summary: "List the versions of a user's profile, newest first", request: { ...ofUser, query: PageQuery },
      responses: { 200: json(pageOf(PersonalityVersion), 'A page of versions.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').personality.versions(c.req.valid('param').user, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/personality/{user}/rollback', tags, summary: 'Take what was learned after a version out of the profile', request: { ...ofUser, body: body(Rollback, 'Which version.') },
      responses: { 200: profile, ...problems('NOT_FOUND', 'ROLLBACK_IMPOSSIBLE') },
    }),
    async (c) => c.json(await c.get('cairn').personality.rollback(c.req.valid('param').user, c.req.valid('json').version), 200),
  )
}
