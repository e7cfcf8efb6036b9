import type { Cairn, Model, ModelFilter, Page } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

/** What the commands ask of models. */
export interface ModelsClient {
  list(filter: ModelFilter): Promise<Json<Page<Model>>>
  get(model: string): Promise<Json<Model>>
}

export function localModels({ models }: Cairn): ModelsClient {
  return {
    list: async (filter) => json(await models.list(filter)),
    get: async (model) => json(await models.get(model)),
  }
}

export function httpModels(http: Http): ModelsClient {
  return {
    list: ({ capabilities, ...filter }) => http.get('/v1/models', { ...filter, ...(capabilities === undefined ? {} : { capability: [...capabilities] }) }),
    get: (model) => http.get(`/v1/models/${encodeURIComponent(model)}`),
  }
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
