import type {
  Cairn, CollaborationRequest, CollaborationRequestFilter, FuseInsights, FusionResult, Page, PageOptions, Partnership, PartnershipFilter, PersonalityExport, PersonalityProfile, PersonalityUser,
} from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

export interface Forgotten {
  readonly deleted: boolean
  readonly interactions?: number
  readonly versions?: number
  readonly topics?: number
}

/** What the commands ask of personality. */
export interface PersonalityClient {
  users(options: PageOptions): Promise<Json<Page<PersonalityUser>>>
  get(user: string): Promise<Json<PersonalityProfile>>
  export(user: string): Promise<Json<PersonalityExport>>
  forget(user: string, options: { readonly stopLearning: boolean }): Promise<Forgotten>
}

/** What the commands ask of collaboration. */
export interface CollaborationClient {
  partnerships(filter: PartnershipFilter): Promise<Json<Page<Partnership>>>
  requests(filter: CollaborationRequestFilter): Promise<Json<Page<CollaborationRequest>>>
  fuse(input: Omit<FuseInsights, 'embedder'>): Promise<Json<FusionResult>>
}

export function localPersonality({ personality }: Cairn): PersonalityClient {
  return {
    users: async (options) => json(await personality.users(options)),
    get: async (user) => json(await personality.get(user)),
    export: async (user) => json(await personality.export(user)),
    async forget(user, options) {
      const { forgotten, ...counts } = await personality.forget(user, options)
      return { deleted: forgotten, ...(forgotten ? counts : {}) }
    },
  }
}

export function httpPersonality(http: Http): PersonalityClient {
  const path = (user: string): string => `/v1/personality/${encodeURIComponent(user)}`
  return {
    users: (options) => http.get('/v1/personality', { ...options }),
    get: (user) => http.get(path(user)),
    export: (user) => http.get(`${path(user)}/export`),
    forget: (user, { stopLearning }) => http.delete(path(user), { stopLearning }),
  }
}

export function localCollaboration({ collaboration }: Cairn): CollaborationClient {
  return {
    partnerships: async (filter) => json(await collaboration.partnerships.list(filter)),
    requests: async (filter) => json(await collaboration.requests.list(filter)),
    fuse: async (input) => json(await collaboration.fusions.fuse(input)),
  }
}

export function httpCollaboration(http: Http): CollaborationClient {
  return {
    partnerships: (filter) => http.get('/v1/collaboration/partnerships', { ...filter }),
    requests: (filter) => http.get('/v1/collaboration/requests', { ...filter }),
    fuse: (input) => http.post('/v1/collaboration/fusions', input),
  }
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
