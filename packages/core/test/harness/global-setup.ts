import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openPglite } from '../../src/engines/sql/index.ts'
import { makeMigratedDatabase, migrateAndClose } from './migrated-database.ts'
import { startNats, type NatsServer } from './nats-server.ts'
import { startPostgres, type PostgresServer } from './postgres-server.ts'
import { onExit } from './processes.ts'
import { makeRunFolder } from './run-folder.ts'
import { copyFolder, EMPTY_TEMPLATE, MIGRATED_TEMPLATE } from './templates.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser, on the server that all test files share. */
    postgresUrl: string
    natsUrl: string
    /** A folder with a PGlite data directory without tables and one with all migrations. */
    pgliteTemplate: string
    /** Why the migrated templates could not be made; empty when they were. */
    templateError: string
  }
}

/** One PostgreSQL, one nats-server and the templates for a whole run of Vitest; returns what stops them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const removeRunFolder = makeRunFolder()
  const templates = await mkdtemp(join(tmpdir(), 'cairn-templates-'))
  const servers: (PostgresServer | NatsServer)[] = []
  // The servers end themselves when this process ends; a run that is cut off must end, too.
  const forget = onExit(() => rmSync(templates, { recursive: true, force: true }))
  const onInterrupt = () => process.exit(130)
  const onTerminate = () => process.exit(143)
  process.once('SIGINT', onInterrupt)
  process.once('SIGTERM', onTerminate)
  const teardown = async () => {
    forget()
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
    await Promise.all([...servers.map((server) => server.dispose()), rm(templates, { recursive: true, force: true })])
    removeRunFolder()
  }

  try {
    const started = await Promise.all([
      startPostgres({ fsync: false }).then((server) => (servers.push(server), server)),
      startNats().then((server) => (servers.push(server), server)),
      makeEmptyPglite(templates),
    ])
    const [postgres, nats] = started
    project.provide('postgresUrl', postgres.url)
    project.provide('natsUrl', nats.url)
    project.provide('pgliteTemplate', templates)
    project.provide('templateError', await makeMigrated(postgres.url, templates))
  } catch (error) {
    await teardown()
    throw error
  }
  return teardown
}

async function makeEmptyPglite(templates: string): Promise<void> {
  const engine = await openPglite({ dataDir: join(templates, EMPTY_TEMPLATE) })
  await engine.close()
}

/** A broken migration must not fail the tests that need none, so it is handed on as text. */
async function makeMigrated(postgresUrl: string, templates: string): Promise<string> {
  try {
    await Promise.all([makeMigratedDatabase(postgresUrl), makeMigratedFolder(templates)])
    return ''
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
    return `${error instanceof Error ? error.message : String(error)}${cause}`
  }
}

async function makeMigratedFolder(templates: string): Promise<void> {
  const dataDir = join(templates, MIGRATED_TEMPLATE)
  await copyFolder(join(templates, EMPTY_TEMPLATE), dataDir)
  await migrateAndClose(await openPglite({ dataDir }))
}
