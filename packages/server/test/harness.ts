import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cairn, type CairnOptions, open } from '@cairn/core'
import { inject } from 'vitest'
import { MIGRATED_TEMPLATE, copyFolder } from '../../core/test/harness/templates.ts'
import type { createApp } from '../src/index.ts'

export interface TestCairn {
  readonly cairn: Cairn
  /** Closes it and deletes its data. */
  dispose(): Promise<void>
}

/** An embedded Cairn on a migrated copy of the template, so that no test file waits for migrations. */
export async function openTestCairn(options: CairnOptions = {}): Promise<TestCairn> {
  const problem = inject('templateError')
  if (problem !== '') throw new Error(`There is no migrated template: ${problem}`)
  const dataDir = await mkdtemp(join(tmpdir(), 'cairn-server-'))
  await copyFolder(join(inject('pgliteTemplate'), MIGRATED_TEMPLATE), join(dataDir, 'pg'))
  const cairn = await open({ ...options, dataDir })
  return {
    cairn,
    async dispose() {
      await cairn.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export interface CallOptions {
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly tenant?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly body: Record<string, unknown>
}

export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>

/** Sends requests to an app in this process. */
export function caller(app: ReturnType<typeof createApp>): Call {
  return async (method, path, { json, body, headers = {}, tenant } = {}) => {
    const sent = json === undefined ? body : JSON.stringify(json)
    const response = await app.request(path, {
      method,
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...(tenant === undefined ? {} : { 'x-cairn-tenant': tenant }), ...headers },
      ...(sent === undefined ? {} : { body: sent }),
    })
    const text = await response.text()
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : undefined) as Record<string, unknown> }
  }
}
