import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { type Cairn, type CairnOptions, open } from '../../src/index.ts'
import { natsTarget, uniqueName } from './engines.ts'
import { MIGRATED_TEMPLATE, copyFolder } from './templates.ts'

/** Where a Cairn keeps its data: open it as often as you like, then dispose of it. */
export interface CairnPlace {
  /** Give these to `open`, here or in another process. */
  readonly options: CairnOptions
  dispose(): Promise<void>
}

export interface CairnTarget {
  readonly name: 'embedded' | 'servers'
  /** A migrated database and a bucket of their own. */
  place(servers?: { postgresUrl?: string; natsUrl?: string }): Promise<CairnPlace>
}

/** Both engine pairs: `describe.each(cairnTargets)('… ($name)', …)`. */
export const cairnTargets: readonly CairnTarget[] = [
  { name: 'embedded', place: embeddedPlace },
  { name: 'servers', place: serversPlace },
]

/** An open Cairn on a place of its own. */
export async function openCairn(target: CairnTarget, options: CairnOptions = {}): Promise<{ cairn: Cairn; place: CairnPlace; dispose(): Promise<void> }> {
  const place = await target.place()
  const cairn = await open({ ...place.options, ...options })
  return {
    cairn,
    place,
    async dispose() {
      await cairn.close()
      await place.dispose()
    },
  }
}

async function embeddedPlace(): Promise<CairnPlace> {
  const dataDir = await mkdtemp(join(tmpdir(), 'cairn-embedded-'))
  await copyFolder(join(inject('pgliteTemplate'), MIGRATED_TEMPLATE), join(dataDir, 'pg'))
  return { options: { dataDir }, dispose: () => rm(dataDir, { recursive: true, force: true }) }
}

async function serversPlace(servers: { postgresUrl?: string; natsUrl?: string } = {}): Promise<CairnPlace> {
  const admin = servers.postgresUrl ?? inject('postgresUrl')
  const database = uniqueName('cairn')
  const migrated = servers.postgresUrl === undefined || (await run(admin, `SELECT FROM pg_database WHERE datname = '${MIGRATED_TEMPLATE}'`)) > 0
  await run(admin, `CREATE DATABASE ${database}${migrated ? ` TEMPLATE ${MIGRATED_TEMPLATE}` : ''}`)
  const url = new URL(admin)
  url.pathname = `/${database}`
  return {
    options: { postgres: url.href, nats: { servers: [servers.natsUrl ?? natsTarget().url], prefix: `${uniqueName('t')}_` } },
    dispose: async () => void (await run(admin, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)),
  }
}

async function run(url: string, statement: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(statement)).rowCount ?? 0
  } finally {
    await client.end()
  }
}

/** Resolves when `condition` holds; rejects after `timeoutMs`, saying `what` was waited for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
