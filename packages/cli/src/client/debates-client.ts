import type { Cairn, Debate, DebateArgument, DebateVote, DebateWithParticipants, ListDebateArgumentsOptions, ListDebatesOptions, Page, SubmitArgument, SubmitVote } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

/** What the commands ask of debates. */
export interface DebatesClient {
  list(options: ListDebatesOptions): Promise<Json<Page<Debate>>>
  get(debate: string): Promise<Json<DebateWithParticipants>>
  arguments(debate: string, options: ListDebateArgumentsOptions): Promise<Json<Page<DebateArgument>>>
  votes(debate: string): Promise<{ items: Json<DebateVote>[] }>
  submit(debate: string, argument: SubmitArgument): Promise<{ argument: Json<DebateArgument> | null }>
  vote(debate: string, vote: SubmitVote): Promise<Json<DebateVote>>
  pause(debate: string): Promise<Json<DebateWithParticipants>>
  resume(debate: string): Promise<Json<DebateWithParticipants>>
  cancel(debate: string, options: { reason?: string }): Promise<Json<DebateWithParticipants>>
}

export function localDebates({ debates }: Cairn): DebatesClient {
  return {
    list: async (options) => json(await debates.list(options)),
    get: async (debate) => json(await debates.get(debate)),
    arguments: async (debate, options) => json(await debates.arguments(debate, options)),
    votes: async (debate) => ({ items: json(await debates.votes(debate)) }),
    submit: async (debate, argument) => ({ argument: json(await debates.submit(debate, argument)) }),
    vote: async (debate, vote) => json(await debates.vote(debate, vote)),
    pause: async (debate) => json(await debates.pause(debate)),
    resume: async (debate) => json(await debates.resume(debate)),
    cancel: async (debate, options) => json(await debates.cancel(debate, options)),
  }
}

export function httpDebates(http: Http): DebatesClient {
  const path = (debate: string): string => `/v1/debates/${encodeURIComponent(debate)}`
  return {
    list: (options) => http.get('/v1/debates', { ...options }),
    get: (debate) => http.get(path(debate)),
    arguments: (debate, options) => http.get(`${path(debate)}/arguments`, { ...options }),
    votes: (debate) => http.get(`${path(debate)}/votes`),
    submit: (debate, argument) => http.post(`${path(debate)}/arguments`, argument),
    vote: (debate, vote) => http.post(`${path(debate)}/votes`, vote),
    pause: (debate) => http.post(`${path(debate)}/pause`),
    resume: (debate) => http.post(`${path(debate)}/resume`),
    cancel: (debate, options) => http.post(`${path(debate)}/cancel`, options),
  }
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
