import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  ArgumentQuery, CancelDebate, Debate, DebateArgument, DebateParam, DebateQuery, DebateRounds, DebateStatistics, DebateVote, DebateVotes, DebateWithParticipants, NewDebate, SubmitArgument, SubmitVote, SubmittedArgument,
} from '../schemas/debates.ts'

const tags = ['debates']
const headers = TenantHeaders
const ofDebate = { params: DebateParam, headers }

/** Debates: making and reading them, and what people say from outside. They are run by programs, which hold the functions of the others. */
export function debateRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/debates', tags, summary: 'Make a debate',
      request: { headers, body: body(NewDebate, 'Topic, participants and how it is held.') },
      responses: { 201: json(DebateWithParticipants, 'The new debate.', LOCATION_HEADER), ...problems('DUPLICATE_KEY', 'AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const made = await c.get('cairn').debates.create(exact(c.req.valid('json')))
      c.header('Location', `/v1/debates/${made.id}`)
      return c.json(made, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/debates', tags, summary: 'List debates, newest first', request: { headers, query: DebateQuery },
      responses: { 200: json(pageOf(Debate), 'A page of debates.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').debates.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/debate-statistics', tags, summary: 'Count debates by mode, and wins by agent', request: { headers }, responses: { 200: json(DebateStatistics, 'The counts.'), ...problems() } }),
    async (c) => c.json(await c.get('cairn').debates.statistics(), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/debates/{debate}', tags, summary: 'Read a debate with its participants, and for whom it waits', request: ofDebate, responses: { 200: json(DebateWithParticipants, 'The debate.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').debates.get(c.req.valid('param').debate), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/debates/{debate}/arguments', tags, summary: 'List the arguments of a debate by round and turn', request: { ...ofDebate, query: ArgumentQuery },
      responses: { 200: json(pageOf(DebateArgument), 'A page of arguments.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').debates.arguments(c.req.valid('param').debate, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/debates/{debate}/arguments', tags, summary: 'Submit the argument of a participant that is awaited', request: { ...ofDebate, body: body(SubmitArgument, 'Who says what.') },
      responses: { 200: json(SubmittedArgument, 'The argument as it is stored.'), ...problems('NOT_FOUND', 'TURN_NOT_OPEN', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json({ argument: await c.get('cairn').debates.submit(c.req.valid('param').debate, exact(c.req.valid('json'))) }, 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/debates/{debate}/rounds', tags, summary: 'List the rounds of a debate', request: ofDebate, responses: { 200: json(DebateRounds, 'The rounds, from the first on.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json({ items: await c.get('cairn').debates.rounds(c.req.valid('param').debate) }, 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/debates/{debate}/votes', tags, summary: 'List the votes of a debate', request: ofDebate, responses: { 200: json(DebateVotes, 'The votes, by participant.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json({ items: await c.get('cairn').debates.votes(c.req.valid('param').debate) }, 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/debates/{debate}/votes', tags, summary: 'Give the vote of a participant that is awaited', request: { ...ofDebate, body: body(SubmitVote, 'Who votes for what.') },
      responses: { 200: json(DebateVote, 'The vote.'), ...problems('NOT_FOUND', 'TURN_NOT_OPEN', 'DUPLICATE_KEY') },
    }),
    async (c) => c.json(await c.get('cairn').debates.vote(c.req.valid('param').debate, exact(c.req.valid('json'))), 200),
  )
  for (const [action, summary] of [['pause', 'Begin no turn until it is resumed'], ['resume', 'End a pause, or let one that failed be run again']] as const) {
    app.openapi(
      createRoute({ method: 'post', path: `/v1/debates/{debate}/${action}`, tags, summary, request: ofDebate, responses: { 200: json(DebateWithParticipants, 'The debate.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') } }),
      async (c) => c.json(await c.get('cairn').debates[action](c.req.valid('param').debate), 200),
    )
  }
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/debates/{debate}/cancel', tags, summary: 'End a debate without a vote', request: { ...ofDebate, body: body(CancelDebate, 'Why.', false) },
      responses: { 200: json(DebateWithParticipants, 'The debate.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').debates.cancel(c.req.valid('param').debate, exact(c.req.valid('json'))), 200),
  )
}
