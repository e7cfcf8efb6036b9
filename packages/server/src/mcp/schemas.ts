import { z } from 'zod'
import { type Exact, exact } from '../http/exact.ts'

/** As few words as a model needs: every one of them is in the context of every conversation. */
export const limit = (usual: number, most = 100) => z.int().min(1).max(most).default(usual)
export const cursor = z.string().optional().describe('nextCursor of the page before')
export const nextCursor = z.string().optional()
export const agent = z.string().describe('Id or key')

/** Whose: a user, an agent, a session, or shared by all without any of them. */
export const owner = { userId: z.string().optional(), agentId: z.string().optional().describe('Id or key'), sessionId: z.string().optional().describe('UUID') }
/** A block belongs to a user, to an agent, or to all. */
export const blockOwner = { userId: z.string().optional(), agentId: z.string().optional().describe('Id or key') }

/** Without what is null, undefined or an empty list: half of a row says nothing. */
export function compact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0)))
}

/** A page of compact rows. */
export function pageOf<T>(page: { readonly items: readonly T[]; readonly nextCursor: string | null }, row: (item: T) => Record<string, unknown>): Record<string, unknown> {
  return { items: page.items.map(row), ...(page.nextCursor === null ? {} : { nextCursor: page.nextCursor }) }
}

/** Checked input under the type that the library takes, without what was not given. */
export function defined<T extends object>(fields: T): Exact<T> {
  return exact(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T)
}
